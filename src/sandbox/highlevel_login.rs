//! The logins of HighLevel: the page where a location is chosen, token calls, and the tokens that an agency makes.
//!
//! Sources: HighLevel's `oauth.json` and `oauth-v3.json`, and its page "Authorization". What they leave open is said
//! where it is decided.

use serde_json::{Map, Value, json};

use super::clock::millis_text;
use super::logins::{Consent, Pair, Renewal, Spelling};
use super::redirects::{granted, is_registered, send_back};
use super::routes::Route;
use super::settings::{
    AGENCY_SCOPES, COMPANY_ID, HIGHLEVEL_CLIENT_ID, HIGHLEVEL_CLIENT_SECRET, LOCATION_ID, UserType,
};
use super::tokens::{Holder, Token};
use super::wire::{Answer, Outcome, Request, refuse};
use super::world::{Twist, World};

/// Source: `oauth.json`, `"expires_in":86399`.
const ACCESS_LIFE_MS: i64 = 86_399_000;
/// Source: HighLevel, "Authorization": a refresh token is good for a year when it is not used.
const IDLE_LIFE_MS: i64 = 365 * 86_400_000;
const USER_ID: &str = "sandboxUser000000001";
const APP_ID: &str = "sandboxapp";
const VERSION_ID: &str = "sandboxversion";

const RENEWAL: Renewal = Renewal {
    access_life_ms: ACCESS_LIFE_MS,
    idle_life_ms: Some(IDLE_LIFE_MS),
    rotates: true,
    access: Spelling::Jwt,
    refresh: Spelling::Jwt,
};

/// How the token call is spelled: v2 has forms in snake case, v3 has forms or JSON in camel case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelled {
    V2,
    V3,
}

/// Answers the calls that need no token: the page and the token call.
pub(crate) fn open(world: &mut World, route: Route, request: &Request, twist: Twist) -> Answer {
    let done = match route == Route::ChooseLocation {
        true => choose(world, request),
        false => token(world, request, twist),
    };
    done.unwrap_or_else(|refusal| *refusal)
}

/// Tells whether a call is answered by `open`.
pub(crate) fn is_open(route: Route) -> bool {
    matches!(route, Route::ChooseLocation | Route::OauthToken)
}

fn company() -> Holder {
    Holder::Company {
        company_id: COMPANY_ID.to_string(),
    }
}

fn location(id: &str) -> Holder {
    match id == LOCATION_ID {
        true => Holder::Location,
        false => Holder::OtherLocation {
            location_id: id.to_string(),
        },
    }
}

fn location_id(holder: &Holder) -> Option<&str> {
    match holder {
        Holder::Location => Some(LOCATION_ID),
        Holder::OtherLocation { location_id } => Some(location_id),
        Holder::Company { .. } | Holder::TwitchUser { .. } | Holder::TwitchApp { .. } => None,
    }
}

fn is_ours(holder: &Holder) -> bool {
    matches!(holder, Holder::Company { .. }) || location_id(holder).is_some()
}

/// The page where the user chooses a location or agrees for the agency, at once.
fn choose(world: &mut World, request: &Request) -> Outcome {
    // What the page says to these is not documented.
    if request.param("response_type") != Some("code") {
        return Ok(Answer::page(400, "Invalid parameter: response_type"));
    }
    if request.param("client_id") != Some(HIGHLEVEL_CLIENT_ID) {
        return Ok(Answer::page(
            400,
            "No integration found with this client id",
        ));
    }
    let address = request.param("redirect_uri").unwrap_or("");
    if !is_registered(
        &world.settings,
        &world.settings.highlevel_redirects,
        address,
    ) {
        return Ok(Answer::page(400, "Invalid parameter: redirect_uri"));
    }
    let Some(asked) = request.param("scope") else {
        return Ok(Answer::page(400, "Missing parameter: scope"));
    };
    let switches = world.settings.switches.clone();
    let without_state = switches.state_left_out;
    if switches.login_denied {
        let pairs = [("error", "access_denied")];
        return Ok(send_back(world, request, address, &pairs, without_state));
    }
    let agency = switches.user_type == UserType::Company;
    let mut scopes = granted(world, asked);
    let allowed = &world.settings.highlevel_scopes;
    scopes.retain(|scope| {
        allowed.contains(scope) || (agency && AGENCY_SCOPES.contains(&scope.as_str()))
    });
    let holder = match switches.user_type {
        UserType::Location => location(&switches.chosen_location),
        UserType::Company => company(),
    };
    let now = world.clock.now();
    let code = world.logins.code(Consent { holder, scopes }, address, now);
    let pairs = [("code", code.as_str())];
    Ok(send_back(world, request, address, &pairs, without_state))
}

/// The parameters of a token call, by their v3 names.
struct Parameters {
    spelled: Spelled,
    values: Map<String, Value>,
}

impl Parameters {
    fn read(request: &Request) -> Outcome<Parameters> {
        let spelled = match request.header("version") {
            None | Some("2021-04-15" | "2021-07-28" | "2023-02-21") => Spelled::V2,
            Some("v3") => Spelled::V3,
            Some(_) => return refuse(401, "version header is invalid"),
        };
        if request.garbled {
            return refuse(400, "Unexpected token in JSON");
        }
        let mut values = match spelled {
            Spelled::V2 => Map::new(),
            Spelled::V3 => request.object(),
        };
        let form = request.form.iter().cloned();
        values.extend(form.map(|(name, value)| (name, Value::String(value))));
        Ok(Parameters { spelled, values })
    }

    fn get(&self, name: &str) -> Option<&str> {
        let value = match self.spelled {
            Spelled::V2 => self.values.get(&snake(name)),
            Spelled::V3 => self.values.get(name),
        };
        value
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }

    fn need(&self, name: &str) -> Outcome<&str> {
        match self.get(name) {
            Some(text) => Ok(text),
            None => self.malformed("Missing", name),
        }
    }

    /// Source of the v3 text: the examples of `oauth-v3.json`; of the v2 one: n8n-io/n8n#12689.
    fn malformed<T>(&self, how: &str, name: &str) -> Outcome<T> {
        match self.spelled {
            Spelled::V2 => {
                let name = snake(name);
                let messages = match how {
                    "Missing" => vec![format!("{name} should not be empty")],
                    _ => vec![format!("{name} must be a valid enum value")],
                };
                Err(Box::new(Answer::unprocessable(&messages)))
            }
            Spelled::V3 => refuse(400, &format!("{how} parameter: {name}")),
        }
    }
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

fn token(world: &mut World, request: &Request, twist: Twist) -> Outcome {
    // The parameters are documented for the body alone.
    if !request.query.is_empty() {
        return refuse(400, "Bad Request");
    }
    let parameters = Parameters::read(request)?;
    let client = parameters.need("clientId")?;
    let secret = parameters.need("clientSecret")?;
    let grant = parameters.need("grantType")?;
    if client != HIGHLEVEL_CLIENT_ID || secret != HIGHLEVEL_CLIENT_SECRET {
        // Users report these two texts in messages; the whole body is not documented.
        let body =
            json!({ "error": "UnAuthorized!", "error_description": "Invalid client credentials!" });
        return Ok(Answer::value(401, &body));
    }
    // The answer says whose token it is; what a call that names another type gets is not documented.
    if !matches!(
        parameters.get("userType"),
        None | Some("Location" | "Company")
    ) {
        return parameters.malformed("Invalid", "userType");
    }
    let now = world.clock.now();
    let made = match grant {
        "authorization_code" => {
            let code = parameters.need("code")?;
            let made_for = world.logins.code_redirect(code, now);
            let given = parameters.get("redirectUri");
            // The text for a bad code is not documented; this one follows that for a bad refresh token.
            let Some(made_for) = made_for.filter(|_| !twist.expired) else {
                return refuse(400, "Invalid grant: authorization code is invalid");
            };
            if given.is_some_and(|given| given != made_for) {
                return parameters.malformed("Invalid", "redirectUri");
            }
            let consent = world.logins.take_code(code);
            match consent.filter(|consent| is_ours(&consent.holder)) {
                Some(consent) => world.logins.grant(&mut world.tokens, consent, RENEWAL, now),
                None => return refuse(400, "Invalid grant: authorization code is invalid"),
            }
        }
        "refresh_token" => {
            let text = parameters.need("refreshToken")?;
            let consent = world.logins.consent(text, RENEWAL, now);
            let known = consent.is_some_and(|consent| is_ours(&consent.holder));
            if !known || twist.expired {
                return refuse(400, "Invalid grant: refresh token is invalid");
            }
            active(world)?;
            match world.logins.renew(&mut world.tokens, text, RENEWAL, now) {
                Some(pair) => pair,
                None => return refuse(400, "Invalid grant: refresh token is invalid"),
            }
        }
        // `client_credentials` is listed in the documents and explained nowhere.
        _ => return parameters.malformed("Invalid", "grantType"),
    };
    Ok(shown(world, &made, parameters.spelled, false))
}

/// A paused location renews nothing; its refresh token stays good.
fn active(world: &World) -> Outcome<()> {
    match world.settings.switches.location_inactive {
        true => refuse(400, "Location is not active"),
        false => Ok(()),
    }
}

/// Writes a token answer; the one of a location token says less.
fn shown(world: &World, pair: &Pair, spelled: Spelled, minted: bool) -> Answer {
    let holder = &pair.consent.holder;
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| {
        let snaked = matches!(
            name,
            "accessToken" | "tokenType" | "expiresIn" | "refreshToken"
        );
        let name = match spelled {
            Spelled::V2 if snaked => snake(name),
            Spelled::V2 | Spelled::V3 => name.to_string(),
        };
        body.insert(name, value);
    };
    put("accessToken", json!(pair.access));
    put("tokenType", json!("Bearer"));
    put("expiresIn", json!(pair.life_ms / 1000));
    put("scope", json!(pair.consent.scopes.join(" ")));
    put("userId", json!(USER_ID));
    if let Some(refresh) = &pair.refresh {
        put("refreshToken", json!(refresh));
    }
    let location = location_id(holder);
    if let Some(id) = location {
        put("locationId", json!(id));
    }
    if minted {
        put("appId", json!(APP_ID));
        put("versionId", json!(VERSION_ID));
        return Answer::value(200, &Value::Object(body));
    }
    put("companyId", json!(COMPANY_ID));
    put("isBulkInstallation", json!(location.is_none()));
    match location {
        Some(_) => put("userType", json!("Location")),
        None => {
            put("userType", json!("Company"));
            put("approvedLocations", json!(world.approved()));
            put("installToFutureLocations", json!(false));
            put("approveAllLocations", json!(false));
        }
    }
    Answer::value(200, &Value::Object(body))
}

/// Answers the calls of an agency; its token and scope were checked.
pub(crate) fn agency(world: &mut World, route: Route, request: &Request, token: &Token) -> Outcome {
    if route == Route::InstalledLocations {
        return installed(world, request);
    }
    let spelled = match route == Route::LocationTokenV3 {
        true => Spelled::V3,
        false => Spelled::V2,
    };
    mint(world, request, token, spelled)
}

fn mint(world: &mut World, request: &Request, token: &Token, spelled: Spelled) -> Outcome {
    let missing: Vec<String> = ["companyId", "locationId"]
        .into_iter()
        .filter(|name| request.form(name).is_none())
        .map(|name| format!("{name} should not be empty"))
        .collect();
    if !missing.is_empty() {
        return Err(Box::new(Answer::unprocessable(&missing)));
    }
    let wanted = request.form("locationId").unwrap_or("").to_string();
    let known = world.approved().contains(&wanted);
    // What is said to an agency about a location that is not its own is not documented.
    if request.form("companyId") != Some(COMPANY_ID) || !known {
        return refuse(403, "The token does not have access to this location.");
    }
    active(world)?;
    let mut scopes = token.scopes.clone();
    scopes.retain(|scope| !AGENCY_SCOPES.contains(&scope.as_str()));
    let consent = Consent {
        holder: location(&wanted),
        scopes,
    };
    let now = world.clock.now();
    let made = match spelled {
        Spelled::V2 => world.logins.lone(&mut world.tokens, consent, RENEWAL, now),
        Spelled::V3 => world.logins.grant(&mut world.tokens, consent, RENEWAL, now),
    };
    Ok(shown(world, &made, spelled, true))
}

fn installed(world: &mut World, request: &Request) -> Outcome {
    let missing: Vec<String> = ["companyId", "appId"]
        .into_iter()
        .filter(|name| request.param(name).is_none())
        .map(|name| format!("{name} should not be empty"))
        .collect();
    if !missing.is_empty() {
        return Err(Box::new(Answer::unprocessable(&missing)));
    }
    let number = |name: &str, default: usize| match request.param(name).map(str::parse) {
        None => Ok(default),
        Some(Ok(number)) => Ok(number),
        Some(Err(_)) => refuse(400, "Bad Request"),
    };
    let (skip, limit) = (number("skip", 0)?, number("limit", 20)?);
    let at = millis_text(world.settings.start.timestamp_millis());
    let all = world.approved();
    let rows: Vec<Value> = all
        .iter()
        .skip(skip)
        .take(limit)
        .map(|id| {
            json!({
                "_id": id,
                "name": "Sandbox Location",
                "address": "1 Loopback Lane",
                "isInstalled": true,
                "versionId": VERSION_ID,
                "installedAt": at,
            })
        })
        .collect();
    let body = json!({
        "locations": rows,
        "count": all.len(),
        "installToFutureLocations": false,
    });
    Ok(Answer::value(200, &body))
}

impl World {
    /// Returns the locations that the agency's login covers.
    fn approved(&self) -> Vec<String> {
        let mut all = vec![LOCATION_ID.to_string()];
        all.extend(self.settings.other_locations.iter().cloned());
        all
    }
}

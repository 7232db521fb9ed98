//! The endpoints that are served, with the scope that each asks for.

use Route::*;

/// One endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    ListContacts,
    Search,
    Duplicate,
    Upsert,
    BulkTags,
    BulkBusiness,
    BusinessContacts,
    Create,
    Get,
    Update,
    Delete,
    AddTags,
    RemoveTags,
    AddFollowers,
    RemoveFollowers,
    Appointments,
    JoinCampaign,
    LeaveAllCampaigns,
    LeaveAllCampaignsV3,
    LeaveCampaign,
    JoinWorkflow,
    LeaveWorkflow,
    ListNotes,
    CreateNote,
    GetNote,
    UpdateNote,
    DeleteNote,
    ListTasks,
    CreateTask,
    GetTask,
    UpdateTask,
    CompleteTask,
    DeleteTask,
    SearchTasks,
    GetLocation,
    ListFields,
    CreateField,
    GetField,
    UpdateField,
    DeleteField,
    ListTags,
    CreateTag,
    ListBusinesses,
    CreateBusiness,
    GetBusiness,
    ListUsers,
    ListWorkflows,
    ListCampaigns,
    TwitchFollowers,
    TwitchSubscriptions,
    TwitchVips,
    TwitchModerators,
    TwitchBits,
    TwitchStreams,
    TwitchUsers,
    TwitchValidate,
    TwitchAuthorize,
    TwitchDevice,
    TwitchToken,
    TwitchRevoke,
    TwitchActivate,
    ChooseLocation,
    OauthToken,
    LocationToken,
    LocationTokenV3,
    InstalledLocations,
    Control,
    Unknown,
}

/// The endpoint's name is its method and template; a write is a call that could change the vendor.
pub(crate) struct Row {
    pub(crate) route: Route,
    pub(crate) name: &'static str,
    pub(crate) scope: &'static str,
}

const READ: &str = "contacts.readonly";
const WRITE: &str = "contacts.write";
const FIELDS: &str = "locations/customFields.readonly";
const FIELDS_WRITE: &str = "locations/customFields.write";

const fn row(route: Route, name: &'static str, scope: &'static str) -> Row {
    Row { route, name, scope }
}

const HIGHLEVEL: &[Row] = &[
    row(ListContacts, "GET /contacts/", READ),
    row(Search, "POST /contacts/search", READ),
    row(Duplicate, "GET /contacts/search/duplicate", READ),
    row(Upsert, "POST /contacts/upsert", WRITE),
    row(BulkTags, "POST /contacts/bulk/tags/update/{type}", WRITE),
    row(BulkBusiness, "POST /contacts/bulk/business", WRITE),
    row(
        BusinessContacts,
        "GET /contacts/business/{businessId}",
        READ,
    ),
    row(Create, "POST /contacts/", WRITE),
    row(Get, "GET /contacts/{id}", READ),
    row(Update, "PUT /contacts/{id}", WRITE),
    row(Delete, "DELETE /contacts/{id}", WRITE),
    row(AddTags, "POST /contacts/{id}/tags", WRITE),
    row(RemoveTags, "DELETE /contacts/{id}/tags", WRITE),
    row(AddFollowers, "POST /contacts/{id}/followers", WRITE),
    row(RemoveFollowers, "DELETE /contacts/{id}/followers", WRITE),
    row(Appointments, "GET /contacts/{id}/appointments", READ),
    row(
        LeaveAllCampaigns,
        "DELETE /contacts/{id}/campaigns/removeAll",
        WRITE,
    ),
    row(
        LeaveAllCampaignsV3,
        "DELETE /contacts/{id}/campaigns/remove-all",
        WRITE,
    ),
    row(
        JoinCampaign,
        "POST /contacts/{id}/campaigns/{campaignId}",
        WRITE,
    ),
    row(
        LeaveCampaign,
        "DELETE /contacts/{id}/campaigns/{campaignId}",
        WRITE,
    ),
    row(
        JoinWorkflow,
        "POST /contacts/{id}/workflow/{workflowId}",
        WRITE,
    ),
    row(
        LeaveWorkflow,
        "DELETE /contacts/{id}/workflow/{workflowId}",
        WRITE,
    ),
    row(ListNotes, "GET /contacts/{id}/notes", READ),
    row(CreateNote, "POST /contacts/{id}/notes", WRITE),
    row(GetNote, "GET /contacts/{id}/notes/{noteId}", READ),
    row(UpdateNote, "PUT /contacts/{id}/notes/{noteId}", WRITE),
    row(DeleteNote, "DELETE /contacts/{id}/notes/{noteId}", WRITE),
    row(ListTasks, "GET /contacts/{id}/tasks", READ),
    row(CreateTask, "POST /contacts/{id}/tasks", WRITE),
    row(GetTask, "GET /contacts/{id}/tasks/{taskId}", READ),
    row(UpdateTask, "PUT /contacts/{id}/tasks/{taskId}", WRITE),
    row(
        CompleteTask,
        "PUT /contacts/{id}/tasks/{taskId}/completed",
        WRITE,
    ),
    row(DeleteTask, "DELETE /contacts/{id}/tasks/{taskId}", WRITE),
    row(
        SearchTasks,
        "POST /locations/{id}/tasks/search",
        "locations/tasks.readonly",
    ),
    row(GetLocation, "GET /locations/{id}", "locations.readonly"),
    row(ListFields, "GET /locations/{id}/customFields", FIELDS),
    row(
        CreateField,
        "POST /locations/{id}/customFields",
        FIELDS_WRITE,
    ),
    row(
        GetField,
        "GET /locations/{id}/customFields/{fieldId}",
        FIELDS,
    ),
    row(
        UpdateField,
        "PUT /locations/{id}/customFields/{fieldId}",
        FIELDS_WRITE,
    ),
    row(
        DeleteField,
        "DELETE /locations/{id}/customFields/{fieldId}",
        FIELDS_WRITE,
    ),
    row(
        ListTags,
        "GET /locations/{id}/tags",
        "locations/tags.readonly",
    ),
    row(
        CreateTag,
        "POST /locations/{id}/tags",
        "locations/tags.write",
    ),
    row(ListBusinesses, "GET /businesses/", "businesses.readonly"),
    row(CreateBusiness, "POST /businesses/", "businesses.write"),
    row(GetBusiness, "GET /businesses/{id}", "businesses.readonly"),
    row(ListUsers, "GET /users/", "users.readonly"),
    row(ListWorkflows, "GET /workflows/", "workflows.readonly"),
    row(ListCampaigns, "GET /campaigns/", "campaigns.readonly"),
    row(ChooseLocation, "GET /oauth/chooselocation", ""),
    row(OauthToken, "POST /oauth/token", ""),
    row(LocationToken, "POST /oauth/locationToken", "oauth.write"),
    row(LocationTokenV3, "POST /oauth/location-token", "oauth.write"),
    row(
        InstalledLocations,
        "GET /oauth/installedLocations",
        "oauth.readonly",
    ),
];

const HELIX: &[Row] = &[
    row(
        TwitchFollowers,
        "GET /channels/followers",
        "moderator:read:followers",
    ),
    row(
        TwitchSubscriptions,
        "GET /subscriptions",
        "channel:read:subscriptions",
    ),
    row(
        TwitchVips,
        "GET /channels/vips",
        "channel:read:vips or channel:manage:vips",
    ),
    row(
        TwitchModerators,
        "GET /moderation/moderators",
        "moderation:read or channel:manage:moderators",
    ),
    row(TwitchBits, "GET /bits/leaderboard", "bits:read"),
    row(TwitchStreams, "GET /streams", ""),
    row(TwitchUsers, "GET /users", ""),
];

const ID: &[Row] = &[
    row(TwitchValidate, "GET /oauth2/validate", ""),
    row(TwitchAuthorize, "GET /oauth2/authorize", ""),
    row(TwitchDevice, "POST /oauth2/device", ""),
    row(TwitchToken, "POST /oauth2/token", ""),
    row(TwitchRevoke, "POST /oauth2/revoke", ""),
    row(TwitchActivate, "GET /activate", ""),
];

/// What is recorded of calls that fit no endpoint.
pub(crate) const UNKNOWN: Row = row(Unknown, "unknown", "");
/// Calls of the control plane; they are not recorded.
pub(crate) const CONTROL: Row = row(Control, "control", "");

impl Row {
    /// Tells whether such a call could change the vendor's people; logins do not.
    pub(crate) fn writes(&self) -> bool {
        let reads = matches!(self.route, Search | SearchTasks | Unknown | Control);
        !reads && !self.logs_in() && !self.name.starts_with("GET ")
    }

    /// Tells whether the call belongs to a login: it may carry secrets, and may spend or make tokens.
    pub(crate) fn logs_in(&self) -> bool {
        matches!(
            self.route,
            TwitchAuthorize
                | TwitchDevice
                | TwitchToken
                | TwitchRevoke
                | TwitchActivate
                | ChooseLocation
                | OauthToken
                | LocationToken
                | LocationTokenV3
        )
    }
}

/// The vendor's half that a path belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    HighLevel,
    Helix,
    Id,
    Control,
    Nobody,
}

/// Splits a path into its vendor and the rest.
pub(crate) fn vendor(path: &str) -> (Vendor, &str) {
    let prefixes = [
        ("/highlevel", Vendor::HighLevel),
        ("/helix", Vendor::Helix),
        ("/id", Vendor::Id),
        ("/control", Vendor::Control),
    ];
    for (prefix, vendor) in prefixes {
        if let Some(rest) = path.strip_prefix(prefix)
            && rest.starts_with('/')
        {
            return (vendor, rest);
        }
    }
    (Vendor::Nobody, path)
}

/// Finds the endpoint and the values of its placeholders.
pub(crate) fn find<'a>(
    vendor: Vendor,
    method: &str,
    path: &'a str,
) -> (&'static Row, Vec<&'a str>) {
    let table = match vendor {
        Vendor::HighLevel => HIGHLEVEL,
        Vendor::Helix => HELIX,
        Vendor::Id => ID,
        Vendor::Control => return (&CONTROL, Vec::new()),
        Vendor::Nobody => return (&UNKNOWN, Vec::new()),
    };
    for row in table {
        if let Some((wanted, template)) = row.name.split_once(' ')
            && wanted == method
            && let Some(values) = fit(template, path)
        {
            return (row, values);
        }
    }
    (&UNKNOWN, Vec::new())
}

fn fit<'a>(template: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let mut values = Vec::new();
    let mut parts = path.split('/');
    for wanted in template.split('/') {
        let part = parts.next()?;
        if wanted.starts_with('{') {
            if part.is_empty() {
                return None;
            }
            values.push(part);
        } else if wanted != part {
            return None;
        }
    }
    parts.next().is_none().then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_words_win_over_placeholders() {
        let name = |method, path| find(Vendor::HighLevel, method, path).0.name;
        assert_eq!(name("GET", "/contacts/"), "GET /contacts/");
        assert_eq!(name("GET", "/contacts/abc"), "GET /contacts/{id}");
        assert_eq!(name("POST", "/contacts/search"), "POST /contacts/search");
        assert_eq!(name("POST", "/contacts"), "unknown");
        assert_eq!(vendor("/helix/users"), (Vendor::Helix, "/users"));
    }
}

//! `api businesses`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::apis::highlevel::{
    self, BUSINESS_CONTACTS_LIMIT, BUSINESS_LIMIT, BUSINESSES_PAGE, Business, NewBusiness, RawPage,
};
use crate::cli::error::CliError;
use crate::model::{BusinessId, ContactId};

use super::args::{BusinessContacts, BusinessFlags, BusinessesDo, CreateBusiness, HowMany, Many};
use super::body::{bad, put, typed};
use super::deed::{BUSINESSES, BUSINESSES_WRITE, Deed, READ, WRITE};
use super::desk::{Desk, Shown};
use super::input;
use super::tags::after;

const LIST: &str = "api businesses list";

/// Carries out one command.
pub(super) async fn run(desk: &mut Desk<'_>, what: &BusinessesDo) -> Result<(), CliError> {
    match what {
        BusinessesDo::List(args) => list(desk, args.many).await,
        BusinessesDo::Get(args) => {
            let call = highlevel::business(&args.business);
            let deed = Deed::new(call, BUSINESSES, of(&args.business), LIST);
            desk.one(deed, |business: Business| business.raw, Shown::Plain)
                .await
        }
        BusinessesDo::Create(args) => create(desk, args).await,
        BusinessesDo::Contacts(args) => contacts(desk, args).await,
        BusinessesDo::Attach(args) => attach(desk, Some(&args.to.business), &args.many).await,
        BusinessesDo::Detach(many) => attach(desk, None, many).await,
    }
}

async fn list(desk: &mut Desk<'_>, many: HowMany) -> Result<(), CliError> {
    let location = desk.location();
    let page = |limit: u16, after: Option<&u32>| {
        let skip = after.copied().unwrap_or(0);
        let call = highlevel::businesses_raw(&location, u32::from(limit), skip);
        Ok(Deed::new(call, BUSINESSES, "businesses", LIST))
    };
    let most = u16::try_from(BUSINESSES_PAGE).unwrap_or(u16::MAX);
    let read = |rows: Vec<Value>, after: Option<&u32>| behind((rows, None), after);
    desk.pages_of("businesses", many, most, Shown::Plain, page, read)
        .await
}

async fn create(desk: &mut Desk<'_>, args: &CreateBusiness) -> Result<(), CliError> {
    let CreateBusiness { flags, input } = args;
    let BusinessFlags {
        name,
        email,
        phone,
        website,
        address,
        city,
        state,
        postal_code,
        country,
        description,
    } = flags;
    let mut body = input::body(input)?;
    let texts = [
        ("name", name),
        ("email", email),
        ("phone", phone),
        ("website", website),
        ("address", address),
        ("city", city),
        ("state", state),
        ("postalCode", postal_code),
        ("country", country),
        ("description", description),
    ];
    for (key, text) in texts {
        put(&mut body, key, text.clone());
    }
    if !body.contains_key("name") {
        return Err(CliError::usage("a new business needs --name"));
    }
    let business: NewBusiness = typed(body)?;
    let call = highlevel::create_business(&desk.location(), &business).map_err(bad)?;
    let deed = Deed::new(call, BUSINESSES_WRITE, "business", LIST);
    desk.one(deed, |business: Business| business.raw, Shown::Plain)
        .await
}

async fn contacts(desk: &mut Desk<'_>, args: &BusinessContacts) -> Result<(), CliError> {
    let BusinessContacts {
        of: one,
        query,
        many,
    } = args;
    let (location, business) = (desk.location(), &one.business);
    let page = |limit: u16, after: Option<&u32>| {
        let skip = after.copied().unwrap_or(0);
        let limit = u32::from(limit);
        let query = query.as_deref();
        let call = highlevel::contacts_of_business(&location, business, limit, skip, query);
        Ok(Deed::new(call, READ, of(business), LIST))
    };
    let most = u16::try_from(BUSINESS_CONTACTS_LIMIT).unwrap_or(u16::MAX);
    desk.pages_of("contacts", *many, most, Shown::Contact, page, behind)
        .await
}

/// Attaches contacts to a business, or detaches them from theirs, so many a call; one that the answer does not name is told.
async fn attach(desk: &mut Desk<'_>, to: Option<&BusinessId>, many: &Many) -> Result<(), CliError> {
    let all = input::contacts(many)?;
    let location = desk.location();
    let what = match to {
        Some(business) => format!("{}, or one of the contacts,", of(business)),
        None => "contact among these".to_owned(),
    };
    let mut done = 0;
    for some in all.chunks(BUSINESS_LIMIT) {
        desk.unless_stopped(|| format!("{done} of {} contacts were sent", all.len()))?;
        let call = highlevel::bulk_business(&location, to, some);
        let deed = Deed::new(call, WRITE, what.clone(), LIST);
        let sent = desk.send(&deed).await;
        let Some(named) = sent.map_err(|error| after(error, done, all.len()))? else {
            continue;
        };
        done += some.len();
        let rows: Vec<Value> = named
            .iter()
            .map(|id| json!({"id": id, "businessId": to}))
            .collect();
        desk.print(&rows)?;
        let named: BTreeSet<&ContactId> = named.iter().collect();
        for id in some.iter().filter(|id| !named.contains(id)) {
            desk.failed(&format!(
                "contact {id}: HighLevel's answer does not name it, so it is not done"
            ));
        }
    }
    Ok(())
}

/// Makes a page of rows that were asked for behind so many others.
fn behind((rows, total): (Vec<Value>, Option<u64>), after: Option<&u32>) -> RawPage<u32> {
    let skip = after.copied().unwrap_or(0);
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    RawPage {
        rows,
        total,
        next: Some(skip.saturating_add(count)),
    }
}

fn of(business: &BusinessId) -> String {
    format!("business {business}")
}

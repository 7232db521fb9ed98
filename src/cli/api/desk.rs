//! What every command of `api` works with: one location, the line to it, and stdout.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::apis::highlevel::RawPage;
use crate::cli::ask::Asker;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::interrupt;
use crate::cli::shell::Shell;
use crate::cli::worlds::Worlds;
use crate::config::{Account, Config};
use crate::model::{AccountName, FieldKey, LocationId};
use crate::net::{Line, Purpose, Reach, Tally};
use crate::report::number;

use super::args::{Api, Common, HowMany};
use super::deed::{self, About, Deed};
use super::definitions::{Definitions, Source};
use super::mend::Mender;
use super::print::Printer;

/// The lane at the gate; no job has a name with a space in it.
const LANE: &str = "by hand";
/// How many rows are printed when nobody says.
const USUAL: u64 = 20;
/// What the first Ctrl-C of a command that writes is answered with.
const STOPPING: &str =
    "stopping: the call under way is finished first; press Ctrl-C again to stop at once";

/// One location, the line to it, and stdout.
pub(super) struct Desk<'s> {
    /// Where it writes, what time it is.
    pub(super) shell: &'s mut Shell,
    common: Common,
    worlds: Worlds,
    name: AccountName,
    account: Account,
    location: LocationId,
    line: Line,
    printer: Printer,
    definitions: Definitions,
    /// Whether it was said that definitions cannot be read.
    is_nameless: bool,
    is_listening: bool,
    /// Things that were done in part.
    failed: u64,
}

/// How a row is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// As it came.
    Plain,
    /// With the keys of its custom fields.
    Contact,
}

impl<'s> Desk<'s> {
    /// Opens the state, and a line to the location of the account; a command that does not write gets one that can only read.
    ///
    /// Errors: no such account, or several; the state or the token cannot be had.
    pub(super) async fn open(
        shell: &'s mut Shell,
        config: Config,
        args: &Api,
    ) -> Result<Desk<'s>, CliError> {
        let Api { common, what } = args;
        let (name, account, hub) = chosen(&config, common.account.as_ref())?;
        let typed = shell.typed.clone();
        let worlds = Worlds::open(config, shell.clock.clone()).await?;
        let worlds = worlds.typing(&typed);
        let reach = match what.writes() && !common.dry_run {
            true => Reach::Everything,
            false => Reach::ReadsOnly,
        };
        let line = worlds
            .auth(&account)
            .and_then(|auth| worlds.line(&account, reach, auth, &Tally::default()))
            .map_err(|why| CliError::usage(format!("account {name}: {why}")))?;
        let line = line.of_job(LANE, worlds.jobs_in_bucket(&hub));
        if reach == Reach::ReadsOnly {
            interrupt::end_at_once(shell.progress.clone());
        }
        let printer = Printer::new(&common.fields, shell);
        Ok(Desk {
            shell,
            common: common.clone(),
            worlds,
            name,
            account,
            location: hub.location,
            line,
            printer,
            definitions: Definitions::default(),
            is_nameless: false,
            // What ends at once needs no more.
            is_listening: reach == Reach::ReadsOnly,
            failed: 0,
        })
    }

    /// Returns the location.
    pub(super) fn location(&self) -> LocationId {
        self.location.clone()
    }

    /// Says the last words and returns the exit.
    pub(super) fn end(self) -> Exit {
        if let Some(missed) = self.printer.missed() {
            self.shell.progress.say(&missed);
        }
        match self.failed {
            0 => Exit::Done,
            _ => Exit::Failed,
        }
    }

    /// Asks whether to go on; `what` says what happens, as a sentence without its end.
    ///
    /// Errors: nobody said yes. Nothing was sent then.
    pub(super) async fn agreed(&mut self, what: &str) -> Result<(), CliError> {
        if self.common.yes || self.common.dry_run {
            return Ok(());
        }
        if !Asker::can_ask() {
            return Err(CliError::Usage {
                what: format!("{what}; nobody is here to be asked, and nothing was sent"),
                hint: Some(
                    "say --yes to do it, or --dry-run to see the call without sending it"
                        .to_owned(),
                ),
            });
        }
        let nothing = "nothing was sent";
        let mut asker = Asker::new();
        asker.tell(&format!("{what}."));
        let yes = asker.yes_no("Do it?", false).await;
        match yes.map_err(|error| error.leaving(nothing))? {
            true => Ok(()),
            false => Err(CliError::Stopped {
                left: nothing.to_owned(),
            }),
        }
    }

    /// Makes a call, or shows it when it is a dry run; `None` then.
    ///
    /// Errors: whatever the call came to, with what to do.
    pub(super) async fn send<T>(&mut self, deed: &Deed<T>) -> Result<Option<T>, CliError> {
        if self.common.dry_run {
            self.printer.call(self.shell, &deed.shown())?;
            return Ok(None);
        }
        if !self.is_listening {
            self.is_listening = true;
            let (stop, progress) = (self.shell.stop.clone(), self.shell.progress.clone());
            interrupt::listen_saying(STOPPING, stop, progress, || {});
        }
        let answer = self.line.send(&deed.call, Purpose::Announced).await;
        match answer {
            Ok(answer) => Ok(Some(answer.value)),
            Err(error) => Err(self.mender().error(error, &deed.about)),
        }
    }

    /// Makes a call and prints the object that `raw` takes out of its answer.
    pub(super) async fn one<T>(
        &mut self,
        deed: Deed<T>,
        raw: impl FnOnce(T) -> Value,
        shown: Shown,
    ) -> Result<(), CliError> {
        match self.send(&deed).await? {
            Some(answer) => self.object(raw(answer), shown).await,
            None => Ok(()),
        }
    }

    /// Makes a call that answers nothing but that it succeeded, and prints `answer`.
    pub(super) async fn done(&mut self, deed: Deed<()>, answer: Value) -> Result<(), CliError> {
        match self.send(&deed).await? {
            Some(()) => self.object(answer, Shown::Plain).await,
            None => Ok(()),
        }
    }

    /// Makes a call and prints the rows that it answers.
    pub(super) async fn rows(&mut self, deed: Deed<Vec<Value>>) -> Result<(), CliError> {
        match self.send(&deed).await? {
            Some(rows) => self.printer.rows(self.shell, &rows),
            None => Ok(()),
        }
    }

    /// Prints one object.
    pub(super) async fn object(&mut self, mut object: Value, shown: Shown) -> Result<(), CliError> {
        if shown == Shown::Contact {
            self.name(&mut object).await?;
        }
        self.printer.object(self.shell, &object)
    }

    /// Prints rows as they are.
    pub(super) fn print(&mut self, rows: &[Value]) -> Result<(), CliError> {
        self.printer.rows(self.shell, rows)
    }

    /// Counts something that was not done, and says it.
    pub(super) fn failed(&mut self, what: &str) {
        self.failed += 1;
        self.shell.progress.alarm(&format!("error: {what}"));
    }

    /// Says something that is not as it was asked for.
    pub(super) fn note(&mut self, what: &str) {
        self.shell.progress.say(&format!("note: {what}"));
    }

    /// Says something that helps, unless `--quiet`.
    pub(super) fn remark(&mut self, what: &str) {
        if !self.shell.progress.is_quiet() {
            self.note(what);
        }
    }

    /// Returns an error when a person wants it to end; `left` says what that leaves.
    pub(super) fn unless_stopped(&self, left: impl FnOnce() -> String) -> Result<(), CliError> {
        match self.shell.stop.is_asked() {
            true => Err(CliError::Stopped { left: left() }),
            false => Ok(()),
        }
    }

    /// Follows the pages of a list and prints their rows, each contact once, as many as are wanted.
    ///
    /// `page` makes the call for at most so many rows, at most `most`, behind a cursor. What was printed before a page failed stays printed.
    ///
    /// Errors: a page failed; HighLevel gives the same cursor twice.
    pub(super) async fn pages<C: PartialEq>(
        &mut self,
        what: &str,
        many: HowMany,
        most: u16,
        shown: Shown,
        page: impl Fn(u16, Option<&C>) -> Result<Deed<RawPage<C>>, CliError>,
    ) -> Result<(), CliError> {
        self.pages_of(what, many, most, shown, page, |page, _| page)
            .await
    }

    /// Follows pages as [`Desk::pages`] does, of calls whose answers `read` turns into a page; it also gets the cursor they were asked with.
    pub(super) async fn pages_of<C: PartialEq, T>(
        &mut self,
        what: &str,
        many: HowMany,
        most: u16,
        shown: Shown,
        page: impl Fn(u16, Option<&C>) -> Result<Deed<T>, CliError>,
        read: impl Fn(T, Option<&C>) -> RawPage<C>,
    ) -> Result<(), CliError> {
        let wanted = match many {
            HowMany { all: true, .. } => u64::MAX,
            HowMany { limit, .. } => limit.unwrap_or(USUAL),
        };
        let mut seen: HashSet<String> = HashSet::new();
        let mut printed: u64 = 0;
        let mut after: Option<C> = None;
        loop {
            let left = u16::try_from(wanted - printed).unwrap_or(u16::MAX);
            let limit = left.min(most);
            let deed = page(limit, after.as_ref())?;
            let Some(answer) = self.send(&deed).await? else {
                if wanted > u64::from(most) {
                    self.remark(
                        "further pages follow, each behind the last row of the page before",
                    );
                }
                return Ok(());
            };
            let RawPage {
                mut rows,
                total,
                next,
            } = read(answer, after.as_ref());
            let is_last = rows.len() < usize::from(limit) || next.is_none();
            // Rows move between pages while people are at work; each is printed once.
            let is_empty = rows.is_empty();
            rows.retain(|row| match id_of(row) {
                Some(id) => seen.insert(id.to_owned()),
                None => true,
            });
            let is_again = rows.is_empty() && !is_empty;
            rows.truncate(usize::from(limit));
            if shown == Shown::Contact {
                for row in &mut rows {
                    self.name(row).await?;
                }
            }
            self.printer.rows(self.shell, &rows)?;
            printed += rows.len() as u64;
            if is_last || self.shell.is_closed() {
                return Ok(());
            }
            if printed >= wanted {
                let of = match total {
                    Some(total) if total <= printed => return Ok(()),
                    Some(total) => format!(" of {}", number(total)),
                    None => String::new(),
                };
                if many.limit.is_none() {
                    self.remark(&format!(
                        "the first {printed}{of} {what}; --all prints all of them, --limit N so many"
                    ));
                }
                return Ok(());
            }
            if next == after || is_again {
                return Err(CliError::OutOfTouch {
                    what: format!(
                        "HighLevel gives the same page of {what} again and again; {printed} were printed"
                    ),
                });
            }
            after = next;
        }
    }

    /// Returns the id of the custom field with this key.
    ///
    /// Errors: there is none, with the one that may be meant; the definitions cannot be read.
    pub(super) async fn field_id(&mut self, key: &FieldKey) -> Result<String, CliError> {
        let mut definitions = std::mem::take(&mut self.definitions);
        let found = definitions.id_of(key, &self.source()).await;
        self.definitions = definitions;
        match found {
            Ok(Some(id)) => Ok(id),
            Ok(None) => {
                let near = crate::plan::spelling::near(key.as_str(), self.definitions.keys());
                let hint = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "`{}` shows those that it has",
                        self.shell
                            .typed
                            .command("api fields list --fields fieldKey,name")
                    ),
                };
                Err(CliError::Usage {
                    what: format!("location {} has no custom field `{key}`", self.location),
                    hint: Some(hint),
                })
            }
            Err(error) => Err(self.mender().error(error, &of_definitions())),
        }
    }

    /// Returns the word for a custom field that HighLevel takes in a path: its id, where the key is known.
    pub(super) fn field_word(&mut self, word: &str) -> Result<String, CliError> {
        let key = word.strip_prefix("contact.").unwrap_or(word);
        let Ok(key) = FieldKey::try_from(key) else {
            return Ok(word.to_owned());
        };
        let mut definitions = std::mem::take(&mut self.definitions);
        let known = definitions.known_id(&key, &self.source());
        self.definitions = definitions;
        Ok(known?.unwrap_or_else(|| word.to_owned()))
    }

    /// Puts the keys beside the ids of a contact's custom fields. Without the scope for it the contact is shown as it is, and that is said once.
    async fn name(&mut self, contact: &mut Value) -> Result<(), CliError> {
        if self.is_nameless {
            return Ok(());
        }
        let mut definitions = std::mem::take(&mut self.definitions);
        let named = definitions.name(contact, &self.source()).await;
        self.definitions = definitions;
        if let Err(error) = named {
            self.is_nameless = true;
            let error = self.mender().error(error, &of_definitions());
            self.note(&format!(
                "custom fields are shown without their keys, because the definitions cannot be read: {error}"
            ));
        }
        Ok(())
    }

    fn source(&self) -> Source<'_> {
        Source {
            store: self.worlds.store(),
            line: &self.line,
            location: &self.location,
            now_ms: self.shell.clock.now().timestamp_millis(),
        }
    }

    fn mender(&self) -> Mender<'_> {
        Mender {
            name: &self.name,
            account: &self.account,
            location: &self.location,
            typed: &self.shell.typed,
        }
    }
}

/// Returns the id of a row; the rows of a search for tasks have it under another name.
fn id_of(row: &Value) -> Option<&str> {
    row.get("id").or_else(|| row.get("_id"))?.as_str()
}

/// What is said when definitions cannot be read.
fn of_definitions() -> About {
    About {
        scope: deed::FIELDS,
        what: "custom fields".to_owned(),
        look: "api fields list".to_owned(),
        is_read: true,
        makes_contact: false,
        if_unsure: crate::model::IfUnsure::SendAgain,
    }
}

/// Returns the account that was named, or the only location.
///
/// Errors: no such account, one of another service, or several locations and none named.
fn chosen(
    config: &Config,
    name: Option<&AccountName>,
) -> Result<(AccountName, Account, crate::config::HighLevelAccount), CliError> {
    let locations: Vec<_> = config
        .accounts
        .iter()
        .filter_map(|(name, account)| match account {
            Account::HighLevel(hub) => Some((name.clone(), account.clone(), hub.clone())),
            Account::Agency(_) | Account::Twitch(_) => None,
        })
        .collect();
    let names: Vec<&str> = locations.iter().map(|(name, ..)| name.as_str()).collect();
    let names = names.join(", ");
    match (name, locations.len()) {
        (_, 0) => Err(CliError::Usage {
            what: "no HighLevel location is configured".to_owned(),
            hint: Some("add an account with service = \"highlevel\" to ghl-sync.toml".to_owned()),
        }),
        (None, 1) => Ok(locations.into_iter().next().expect("there is exactly one")),
        (None, _) => Err(CliError::Usage {
            what: "there are several HighLevel locations; name one with --account".to_owned(),
            hint: Some(format!("the accounts are: {names}")),
        }),
        (Some(name), _) => {
            let service = config.accounts.get(name).map(Account::service);
            let found = locations.into_iter().find(|(known, ..)| known == name);
            found.ok_or_else(|| CliError::Usage {
                what: match service {
                    Some(service) => format!(
                        "account {name} is of {service}, and `api` speaks to HighLevel locations"
                    ),
                    None => format!("there is no account `{name}`"),
                },
                hint: Some(format!("the locations are: {names}")),
            })
        }
    }
}

/// Returns an answer that has no envelope of its own without the vendor's mark of the call.
pub(super) fn without_trace(mut answer: Value) -> Value {
    if let Some(object) = answer.as_object_mut() {
        object.remove("traceId");
    }
    answer
}

/// Returns the answer of a call that shows nothing but that it succeeded.
pub(super) fn succeeded() -> Value {
    json!({"succeeded": true})
}

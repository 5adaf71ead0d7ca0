//! Commands that are declared: run once, followed to their end, and not repeated where that harms.

use std::time::Duration;

use serde_json::Value as Json;

use super::cm::items;
use super::cm_command::{Line, PAUSE, adopt, ended, follow, submit};
use super::cm_entity::{Place, field};
use super::cm_gate::{self, Seen};
use super::cm_scope::{Overview, Session, unknown};
use super::failure::Failure;
use super::http::Trouble;
use crate::model::manager::{Look, Order};
use crate::model::member;
use crate::model::question::{Field, Reply};
use crate::model::{Live, Value};

/// Longest pause between two looks at a command that works with files: a manager that fails over is
/// away for a few seconds only, and that must be noticed.
const CLOSELY: Duration = Duration::from_secs(1);

/// Returns the path of the document that is looked at.
pub(super) fn document(session: &Session, look: &Look) -> Result<String, Trouble> {
    match look.path.contains("{cluster}") {
        true => {
            let cluster = session.cluster_path()?;
            let name = cluster.rsplit('/').next().unwrap_or_default();
            Ok(look.path.replace("{cluster}", name))
        }
        false => Ok(look.path.to_string()),
    }
}

/// Tells a member of a document.
pub(super) fn fields(overview: &Overview, look: &Look) -> Result<Vec<Field>, Reply> {
    let read = overview.documents.get(&*look.path);
    let read = read.ok_or_else(|| unknown(&format!("{} was not read", look.path)))?;
    let live = match found(read.as_ref(), look) {
        Ok(Some(value)) => Live::Known(Value::text(value)),
        Ok(None) => Live::Absent,
        Err(said) => return Err(unknown(&said)),
    };
    // More than a plain value is only there or not: it may hold anything, secrets too.
    match live {
        Live::Known(value) if value.to_string().starts_with(['{', '[']) => {
            let there = Live::Known(Value::text("there"));
            Ok(vec![field("value", there), field("is_whole", Live::Known(Value::text("true")))])
        }
        live => Ok(vec![field("value", live)]),
    }
}

/// Returns what a look shows; without the document there is nothing in it.
fn found(read: Result<&Json, &Trouble>, look: &Look) -> Result<Option<String>, String> {
    match read {
        Ok(document) => match member::find(document, &look.at) {
            Ok(found) => Ok(found.map(member::text)),
            Err(said) => Err(format!("{} tells nothing of `{}`: {said}", look.path, look.at)),
        },
        Err(Trouble::NotFound(_)) => Ok(None),
        Err(trouble) => Err(trouble.to_string()),
    }
}

/// Runs the command at `place`, unless it runs already; then that one is followed, and it is run
/// only if there is still something to do.
pub(super) async fn carry_out(
    line: Line<'_>,
    session: &Session,
    place: &Place,
    order: &Order,
) -> Result<(), Failure> {
    if !order.is_file_bound {
        return followed(line, session, place, order).await;
    }
    let (gaps, servers) = (line.http.gaps(), alive(line).await);
    let outcome = followed(line, session, place, order).await;
    let was_lost = outcome.as_ref().is_err_and(|failure| failure.is_lost);
    let was_away = was_lost || line.http.gaps() > gaps || alive(line).await != servers;
    match outcome {
        outcome if !was_away => outcome,
        Ok(()) => match is_done(line, session, order).await {
            Ok(false) => Err(by_hand("it ended and has not done what it should")),
            _ => Ok(()),
        },
        // What it should bring about counts, not whether it could be watched.
        Err(_) if was_lost && is_done(line, session, order).await.is_ok_and(|done| done) => Ok(()),
        Err(failure) => Err(by_hand(&failure.said)),
    }
}

/// Returns the servers that are alive; none where they are not told.
async fn alive(line: Line<'_>) -> Vec<String> {
    let told = line.get("/cm/instances").await.and_then(|answer| items(&answer));
    told.map(|told| cm_gate::alive(&told, &Seen::new())).unwrap_or_default()
}

/// Says that a command is not tried again, and why (requirement M13).
fn by_hand(said: &str) -> Failure {
    Failure::from(format!(
        "{said}. The manager was away or failed over while this command ran, and it works with \
         files, which are not carried over from one server to the other (M13): it is not run again \
         by itself; retry it by hand, with another `drsync apply`"
    ))
}

async fn followed(
    line: Line<'_>,
    session: &Session,
    place: &Place,
    order: &Order,
) -> Result<(), Failure> {
    let word = listed_as(place.path.rsplit('/').next().unwrap_or_default());
    if adopt(line, &place.list, word).await? {
        if is_done(line, session, order).await? {
            return Ok(());
        }
        if order.is_file_bound {
            return Err(by_hand("it ran already, and has not done what it should"));
        }
    }
    let body: Option<Json> = match &order.arguments {
        Some(arguments) => Some(
            serde_json::from_str(arguments.reveal())
                .map_err(|_| "its arguments are no JSON".to_string())?,
        ),
        None => None,
    };
    let command = match submit(line, &place.path, body.as_ref()).await {
        Err(failure) if failure.is_lost => {
            // Whether it was taken may show in the list of what runs; not every place has one.
            let ran = adopt(line, &place.list, word).await.unwrap_or(false);
            return match is_done(line, session, order).await? {
                true => Ok(()),
                false => Err(unanswered(ran, failure, order)),
            };
        }
        submitted => submitted?,
    };
    let pause = if order.is_file_bound { CLOSELY } else { PAUSE };
    // What became of it is not known when it cannot be found any more.
    let lost = |failure: Failure| Failure { is_lost: order.is_file_bound, ..failure };
    let command = follow(line, command, pause).await.map_err(lost)?;
    ended(line, &command).await
}

/// Says why a command whose answer was lost is not begun again: it may run, or may have failed.
fn unanswered(ran: bool, failure: Failure, order: &Order) -> Failure {
    let said = match ran {
        true => "its answer was lost; it was taken, has ended, and has not done what it should",
        false => "its answer was lost, and whether it was taken is not known",
    };
    let said = format!(
        "{said} ({}): look at the recent commands in Cloudera Manager before it is applied again",
        failure.said
    );
    Failure { said, is_lost: order.is_file_bound }
}

/// Returns a part of the name that a command has in lists, by the last part of its path (CM API).
fn listed_as(word: &str) -> &str {
    match word {
        "importClusterTemplate" => "ClusterTemplateImport",
        word => word,
    }
}

async fn is_done(line: Line<'_>, session: &Session, order: &Order) -> Result<bool, Failure> {
    let path = document(session, &order.done)?;
    let read = line.get_patiently(&path, &line.about()).await;
    let found = found(read.as_ref(), &order.done)?;
    Ok(order.wish.holds(found.as_deref()))
}

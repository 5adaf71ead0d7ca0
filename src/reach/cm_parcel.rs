//! Parcels of Cloudera Manager and the repositories they come from.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tokio::time::sleep;

use super::cm_command::Line;
use super::cm_entity::{Place, field};
use super::cm_gate;
use super::cm_scope::{Overview, distinct, listed, text, unknown};
use super::failure::Failure;
use super::http::Trouble;
use crate::model::manager::{PARCEL_FOLDER, ParcelMove, REPOSITORIES};
use crate::model::question::{Field, Reply};
use crate::model::{Live, Value};

/// Longest wait for one stage: a parcel has some ten gigabytes, and goes to every host.
const LONGEST: Duration = Duration::from_secs(4 * 60 * 60);
/// How long a command that is refused is tried again: right after a download, and after hosts have
/// joined, the manager is not ready (CM API).
const NOT_READY: Duration = Duration::from_secs(5 * 60);
/// How long after a command the stage may still be the old one.
const UNMOVED: Duration = Duration::from_secs(60);
/// How long after a command the stage is waited for before anything is made of it.
const TAKEN: Duration = Duration::from_secs(2);
/// Longest pause between two looks.
const PAUSE: Duration = Duration::from_secs(5);

/// Tells the addresses of the repositories: those that are set, else the default ones; and the folder
/// for what comes from there.
pub(super) fn repository_fields(overview: &Overview) -> Result<Vec<Field>, Reply> {
    let settings = listed(overview.settings.as_ref(), "settings of the manager")?;
    let find = |name| settings.iter().find(|setting| text(setting, "name") == Some(name));
    let value = |setting| text(setting, "value").or_else(|| text(setting, "default"));
    let Some(setting) = find(REPOSITORIES) else {
        return Err(unknown(&format!("the manager does not tell `{REPOSITORIES}`")));
    };
    let urls = value(setting).unwrap_or_default();
    let folder = find("PARCEL_REPO_PATH").and_then(value).unwrap_or(PARCEL_FOLDER);
    let urls = urls.split(',').map(str::trim).filter(|url| !url.is_empty()).enumerate();
    let known = |url| Live::Known(Value::text(url));
    let looked = known(if overview.is_unrefreshed { "no" } else { "yes" });
    let urls = urls.map(|(n, url)| Field { name: format!("url/{n}").into(), live: known(url) });
    let told = [field("looked_into", looked), field("folder", known(folder))];
    Ok(told.into_iter().chain(urls).collect())
}

/// True if one of the versions `wanted` is not among the `parcels`.
pub(super) fn lacks(
    parcels: Option<&Result<Vec<Json>, Trouble>>,
    wanted: &HashSet<(&str, &str)>,
) -> bool {
    let Some(Ok(parcels)) = parcels else { return false };
    let is_it = |parcel: &Json, (product, version): &(&str, &str)| {
        text(parcel, "product") == Some(*product) && text(parcel, "version") == Some(*version)
    };
    wanted.iter().any(|wanted| !parcels.iter().any(|parcel| is_it(parcel, wanted)))
}

/// Tells a version of a product, and its other versions.
pub(super) fn fields(
    overview: &Overview,
    product: &str,
    version: &str,
) -> Result<Vec<Field>, Reply> {
    let parcels = listed(overview.parcels.as_ref(), "parcels")?;
    let products = distinct(parcels, "product");
    let own = parcels.iter().filter(|parcel| text(parcel, "product") == Some(product));
    let own: Vec<(&str, &Json)> = own.filter_map(|p| Some((text(p, "version")?, p))).collect();
    let is_it = |(listed, _): &&(&str, &Json)| *listed == version;
    let it = own.iter().find(is_it).map(|(_, parcel)| *parcel);
    let stage = |parcel: &Json| match text(parcel, "stage") {
        Some(stage) => Live::Known(Value::text(stage)),
        None => Live::Unknown("the manager does not tell `stage`".into()),
    };
    let errors = it.map(errors).unwrap_or_default();
    let mut fields = vec![
        field("stage", it.map_or(Live::Absent, stage)),
        field("products", Live::Known(Value::text(products))),
        field("errors", Live::Known(Value::text(errors))),
    ];
    if it.is_none() {
        fields.extend(circumstances(overview));
    }
    fields.extend(own.iter().map(|(version, parcel)| Field {
        name: format!("version/{version}").into(),
        live: stage(parcel),
    }));
    Ok(fields)
}

/// Tells how many servers are alive and how many repositories are declared, as far as was read: with
/// two servers not every parcel need be shown.
fn circumstances(overview: &Overview) -> Vec<Field> {
    let number = |number: usize| Live::Known(Value::text(number.to_string()));
    let servers = overview.servers.as_ref().and_then(|read| read.as_ref().ok());
    let servers = servers.map(|servers| cm_gate::alive(servers, &overview.seen).len());
    let repositories = repository_fields(overview).ok();
    let repositories =
        repositories.map(|told| told.iter().filter(|field| field.name.starts_with("url/")).count());
    let told = [("servers", servers), ("repositories", repositories)];
    told.into_iter().filter_map(|(name, count)| Some(field(name, number(count?)))).collect()
}

/// Tells the parcels that are in use, or just come into use.
pub(super) fn fields_in_use(overview: &Overview) -> Result<Vec<Field>, Reply> {
    let parcels = listed(overview.parcels.as_ref(), "parcels")?;
    let field = |parcel: &Json| {
        let stage = text(parcel, "stage").filter(|s| matches!(*s, "ACTIVATED" | "ACTIVATING"))?;
        let name = format!("parcel/{}-{}", text(parcel, "product")?, text(parcel, "version")?);
        Some(Field { name: name.into(), live: Live::Known(Value::text(stage)) })
    };
    Ok(parcels.iter().filter_map(field).collect())
}

fn errors(parcel: &Json) -> String {
    let errors = parcel.pointer("/state/errors").and_then(Json::as_array);
    let errors: Vec<&str> = errors.into_iter().flatten().filter_map(Json::as_str).collect();
    errors.join("; ")
}

/// The command of a move, and the stages around it.
struct Way {
    command: &'static str,
    from: &'static str,
    through: &'static str,
    to: &'static str,
    /// Stages beyond: there is nothing left to do.
    beyond: &'static [&'static str],
}

fn way(step: ParcelMove) -> Way {
    const REMOTE: &str = "AVAILABLE_REMOTELY";
    let (command, from, through, to, beyond): (_, _, _, _, &'static [&'static str]) = match step {
        ParcelMove::Download => (
            "startDownload",
            REMOTE,
            "DOWNLOADING",
            "DOWNLOADED",
            &["DISTRIBUTING", "DISTRIBUTED", "ACTIVATING", "ACTIVATED"],
        ),
        ParcelMove::Distribute => (
            "startDistribution",
            "DOWNLOADED",
            "DISTRIBUTING",
            "DISTRIBUTED",
            &["ACTIVATING", "ACTIVATED"],
        ),
        ParcelMove::Activate => ("activate", "DISTRIBUTED", "ACTIVATING", "ACTIVATED", &[]),
        ParcelMove::Deactivate => ("deactivate", "ACTIVATED", "", "DISTRIBUTED", &[]),
        ParcelMove::Undistribute => {
            ("startRemovalOfDistribution", "DISTRIBUTED", "UNDISTRIBUTING", "DOWNLOADED", &[REMOTE])
        }
        ParcelMove::Remove => ("removeDownload", "DOWNLOADED", "", REMOTE, &[]),
    };
    Way { command, from, through, to, beyond }
}

/// Brings the parcel at `place` one stage further. A move that is under way already is waited for
/// and not begun again; the command is sent again only after it was refused.
pub(super) async fn bring(line: Line<'_>, place: &Place, step: ParcelMove) -> Result<(), Failure> {
    let way = way(step);
    let told = line.about();
    let begun = Instant::now();
    let (mut sent, mut before) = (None::<(Instant, Sent)>, String::new());
    let mut pause = Duration::from_millis(100);
    while begun.elapsed() < LONGEST {
        let parcel = match line.get_patiently(&place.path, &told).await {
            // A parcel that was removed may be offered no more.
            Err(Trouble::NotFound(_)) if step == ParcelMove::Remove && sent.is_some() => {
                return Ok(());
            }
            parcel => parcel?,
        };
        let stage = text(&parcel, "stage").unwrap_or_default();
        if stage == way.to || way.beyond.contains(&stage) {
            return Ok(());
        }
        match stage {
            stage if stage == way.through => told.tell(&how_far(&parcel)),
            stage if stage == way.from => match sent {
                Some((at, _)) if at.elapsed() < TAKEN => {}
                Some((at, Sent::Taken)) => unmoved(&parcel, &before, at)?,
                _ => {
                    before = errors(&parcel);
                    let command = format!("{}/commands/{}", place.path, way.command);
                    match line.post(&command, None).await {
                        Ok(_) => sent = Some((Instant::now(), Sent::Taken)),
                        Err(Trouble::Refused(400, said)) if begun.elapsed() < NOT_READY => {
                            told.tell(&format!("not yet: {said}"));
                        }
                        // Whether it was taken shows in the stage, a moment later.
                        Err(Trouble::Unknown(said)) if begun.elapsed() < NOT_READY => {
                            sent = Some((Instant::now(), Sent::Lost));
                            told.tell(&said);
                        }
                        Err(trouble) => return Err(trouble.into()),
                    }
                }
            },
            other => return Err(format!("the parcel is {other}").into()),
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE);
    }
    Err(format!("the parcel is not {} after {} h", way.to, LONGEST.as_secs() / 3600).into())
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sent {
    Taken,
    /// No answer came.
    Lost,
}

/// Says why a parcel stays where it was after its command was taken; errors that were there
/// `before` say nothing.
fn unmoved(parcel: &Json, before: &str, sent: Instant) -> Result<(), Failure> {
    match errors(parcel) {
        errors if !errors.is_empty() && errors != before => Err(errors.into()),
        errors if sent.elapsed() > UNMOVED && !errors.is_empty() => Err(errors.into()),
        _ if sent.elapsed() > UNMOVED => {
            Err("the manager took the command and does nothing".into())
        }
        _ => Ok(()),
    }
}

/// Says how far a move is (CM API: `ApiParcelState`).
fn how_far(parcel: &Json) -> String {
    let number = |member: &str| parcel.pointer(&format!("/state/{member}")).and_then(Json::as_u64);
    let percent = match (number("progress"), number("totalProgress")) {
        (Some(done), Some(all)) if all > 0 => format!("{} %", done.saturating_mul(100) / all),
        _ => "under way".into(),
    };
    match (number("count"), number("totalCount")) {
        (Some(done), Some(all)) if all > 0 => format!("{percent}, {done} of {all} hosts"),
        _ => percent,
    }
}

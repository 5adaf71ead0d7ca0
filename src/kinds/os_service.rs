//! `os.service`: a systemd unit: enabled at boot, running now.
//!
//! Parameters follow Ansible's `systemd_service`. A unit enabled only until the next boot
//! (`systemctl enable --runtime`) is not enabled. A unit that is `static`, `indirect` or
//! `generated` cannot be enabled: such a wish is refused, not retried for ever.
//!
//! ```yaml
//! - name: Time service
//!   os.service: { name: chronyd, enabled: true, state: started }
//!   hosts: all
//! ```

use serde::Deserialize;

use super::shared::unit::{SERVICE, UNIT, Unit};
use super::{Kind, Link};
use crate::model::kind_info::{Home, KindInfo};
use crate::model::question::{Action, Argument, Question, Reply};
use crate::model::{Attribute, Delta, Live, Value};

/// A systemd unit.
pub struct OsService;

/// A systemd unit: enabled at boot, running now.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The unit, with or without `.service`.
    name: String,
    /// Start it at boot?
    enabled: Option<bool>,
    /// What it should be now.
    state: Option<State>,
    /// Forbid starting it at all?
    masked: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    Started,
    Stopped,
}

impl Kind for OsService {
    type Args = Args;
    const INFO: KindInfo = KindInfo { name: "os.service", home: Home::Host, takes_files: false };
    const SOURCE: &'static str = include_str!("os_service.rs");

    fn key(args: &Args) -> String {
        args.name.strip_suffix(".service").unwrap_or(&args.name).to_string()
    }

    fn check(args: &Args) -> Vec<crate::model::change::Problem> {
        let nothing = args.enabled.is_none() && args.state.is_none() && args.masked.is_none();
        let hint = Some("add `enabled`, `state` or `masked`");
        let contradiction = args.masked == Some(true)
            && (args.enabled == Some(true) || args.state == Some(State::Started));
        let mut problems = Vec::new();
        if args.name.is_empty()
            || args.name.starts_with('-')
            || args.name.contains(['/', ' ', '\n', '*', '?', '[', '\\'])
        {
            let said = format!("`{}` is not the name of a unit", args.name);
            problems.push(super::problem(&["name"], said, None));
        }
        if nothing {
            problems.push(super::problem(&["name"], "nothing is wished for this unit", hint));
        }
        if contradiction {
            let said = "a masked unit can be neither enabled nor started";
            problems.push(super::problem(&["masked"], said, None));
        }
        problems
    }

    fn ask(args: &Args) -> Vec<Question> {
        vec![Question::Probe(&SERVICE, vec![Argument::plain(&args.name)])]
    }

    fn diff(args: &Args, replies: &[Reply]) -> Delta {
        let unit = match replies[0].text("unit") {
            Ok(text) => Unit::parse(&text.unwrap_or_default()),
            Err(reason) => return Delta::unknown(reason),
        };
        let mut delta = Delta::default();
        if let Some(wish) = args.masked {
            let live = Live::Known(Value::Bool(unit.file.starts_with("masked")));
            delta.attributes.push(Attribute::new("masked", live, Value::Bool(wish)));
        }
        if let Some(wish) = args.enabled {
            delta.attributes.push(enabled(&unit, wish));
            if wish
                && !unit.is_missing()
                && matches!(&*unit.file, "static" | "indirect" | "generated")
            {
                delta.refused = Some(format!("the unit is {}: it cannot be enabled", unit.file));
            }
        }
        if let Some(wish) = args.state {
            delta.attributes.push(state(&unit, wish));
        }
        delta
    }

    fn steps(args: &Args, delta: &Delta, _: &[Reply]) -> Vec<Action> {
        let verb = |name: &str| match (name, args.state) {
            ("masked", _) if args.masked == Some(true) => "mask",
            ("masked", _) => "unmask",
            ("enabled", _) if args.enabled == Some(true) => "enable",
            ("enabled", _) => "disable",
            (_, Some(State::Started)) => "start",
            _ => "stop",
        };
        let action = |name: &str| {
            let words = vec![Argument::plain(&args.name), Argument::plain(verb(name))];
            Action::Host(&UNIT, words)
        };
        delta.differing().map(|attribute| action(&attribute.name)).collect()
    }

    fn needs(args: &Args) -> Vec<Link> {
        let unit = match Self::key(args).rsplit_once('.') {
            Some((_, "timer" | "socket" | "mount" | "target" | "path" | "slice")) => {
                args.name.clone()
            }
            _ => format!("{}.service", Self::key(args)),
        };
        let folders = ["/etc/systemd/system", "/usr/lib/systemd/system"];
        let mut links: Vec<Link> =
            folders.iter().map(|folder| Link::new("os.file", format!("{folder}/{unit}"))).collect();
        links.push(Link::new("os.package", Self::key(args)));
        links
    }
}

fn missing_note(unit: &Unit) -> Option<String> {
    unit.is_missing().then(|| "the unit does not exist yet".to_string())
}

fn enabled(unit: &Unit, wish: bool) -> Attribute {
    let live = match unit.is_missing() {
        true if wish => Live::Absent,
        // What does not exist does not start at boot.
        true => Live::Known(Value::Bool(false)),
        false => Live::Known(Value::Bool(unit.file == "enabled")),
    };
    Attribute::new("enabled", live, Value::Bool(wish)).noted(missing_note(unit))
}

fn state(unit: &Unit, wish: State) -> Attribute {
    let want = match wish {
        State::Started => "started",
        State::Stopped => "stopped",
    };
    let live = match &*unit.active {
        _ if unit.is_missing() && wish == State::Started => Live::Absent,
        _ if unit.is_missing() => Live::Known(Value::text("stopped")),
        "" => Live::Unknown("systemd does not run there".into()),
        "active" | "reloading" | "activating" => Live::Known(Value::text("started")),
        "inactive" | "deactivating" => Live::Known(Value::text("stopped")),
        "failed" if wish == State::Stopped => Live::Known(Value::text("stopped")),
        other => Live::Known(Value::text(other)),
    };
    Attribute::new("state", live, Value::text(want)).noted(missing_note(unit))
}

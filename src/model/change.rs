//! Desired against observed, for one instance, attribute by attribute.

use std::borrow::Cow;

use super::Value;

/// What was read for one attribute. Unknown is never absent.
#[derive(Clone, Debug, PartialEq)]
pub enum Live {
    /// It is there, with this value.
    Known(Value),
    /// It was looked for and is not there.
    Absent,
    /// It could not be read; the reason.
    Unknown(String),
}

/// What is wished for one attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Want {
    /// This value.
    Value(Value),
    /// It should not be there (or, for a setting, not be set: the default in brackets rules).
    Absent(Option<Value>),
    /// Only known once what it depends on has been applied.
    Later(String),
}

/// One attribute of an instance, desired against observed.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// Its name: `runtime`, `mode`, `dfs_replication`, …
    pub name: Cow<'static, str>,
    /// What was read.
    pub before: Live,
    /// What is wished.
    pub after: Want,
    /// True when a write is needed.
    pub differs: bool,
    /// A remark for the reader: which file wins, what else is affected.
    pub note: Option<String>,
}

impl Attribute {
    /// Compares `before` with the wished value.
    pub fn new(name: impl Into<Cow<'static, str>>, before: Live, want: Value) -> Attribute {
        let differs = match &before {
            Live::Known(value) => *value != want,
            Live::Absent => true,
            Live::Unknown(_) => false,
        };
        Attribute { name: name.into(), before, after: Want::Value(want), differs, note: None }
    }

    /// Returns an attribute that should not be there.
    pub fn gone(name: impl Into<Cow<'static, str>>, before: Live) -> Attribute {
        let differs = matches!(before, Live::Known(_));
        Attribute { name: name.into(), before, after: Want::Absent(None), differs, note: None }
    }

    /// Adds a remark for the reader.
    #[must_use]
    pub fn noted(mut self, note: impl Into<Option<String>>) -> Attribute {
        self.note = note.into();
        self
    }

    /// Returns why the attribute is unknown, if it is.
    pub fn unknown(&self) -> Option<&str> {
        match &self.before {
            Live::Unknown(reason) => Some(reason),
            _ => None,
        }
    }
}

/// Something wrong with the declaration that only shows against the live system, e.g. a setting
/// the manager does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which argument: a path such as `["values", "dfs_replicaton"]`.
    pub path: Vec<String>,
    /// What is wrong.
    pub summary: String,
    /// Why.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// Something wrong that no write of drsync mends: a person must look into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What goes by it, for `ignore` and for whoever filters reports: `cm-ha-parcel-race`, say.
    pub name: Cow<'static, str>,
    /// What was found.
    pub summary: String,
    /// What to do.
    pub advice: Option<String>,
}

impl Finding {
    /// Returns a finding without advice.
    pub fn new(name: impl Into<Cow<'static, str>>, summary: impl Into<String>) -> Finding {
        Finding { name: name.into(), summary: summary.into(), advice: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn advised(mut self, advice: impl Into<String>) -> Finding {
        self.advice = Some(advice.into());
        self
    }
}

/// The result of comparing one instance with what was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    /// Every attribute the declaration speaks of.
    pub attributes: Vec<Attribute>,
    /// Live, non-default values that nobody declared, where the declaration asks to report them.
    pub unmanaged: Vec<(String, Value)>,
    /// What is worth knowing although nothing is to be done about it: a reboot that is pending, say.
    pub notes: Vec<String>,
    /// What is wrong, although no write mends it.
    pub findings: Vec<Finding>,
    /// Mistakes in the declaration.
    pub problems: Vec<Problem>,
    /// Why the wish cannot be met at all, e.g. enabling a static unit.
    pub refused: Option<String>,
    /// True when it is refused only because something is not there that a step before it may bring:
    /// the file to edit, the module that has the parameter.
    pub is_curable: bool,
}

impl Delta {
    /// Returns a delta in which everything is unknown for `reason`.
    pub fn unknown(reason: impl Into<String>) -> Delta {
        let before = Live::Unknown(reason.into());
        let after = Want::Later("not read".into());
        let whole = Attribute { name: "state".into(), before, after, differs: false, note: None };
        Delta { attributes: vec![whole], ..Delta::default() }
    }

    /// Returns a delta that is refused for `reason`, whatever comes before it.
    pub fn refused(reason: impl Into<String>) -> Delta {
        Delta { refused: Some(reason.into()), ..Delta::default() }
    }

    /// Returns a delta that is refused for `reason`, unless a step before it changes that.
    pub fn lacking(reason: impl Into<String>) -> Delta {
        Delta { refused: Some(reason.into()), is_curable: true, ..Delta::default() }
    }

    /// Returns the delta as it is when a step before it may bring what it lacks: what is to be done
    /// will be known then.
    #[must_use]
    pub fn postponed(mut self) -> Delta {
        let Some(reason) = self.refused.take() else { return self };
        if self.differing().next().is_none() {
            let (before, after) = (Live::Absent, Want::Later(reason));
            let whole =
                Attribute { name: "state".into(), before, after, differs: true, note: None };
            self.attributes.push(whole);
        }
        self
    }

    /// Makes the attributes known only when the turn of the instance has come: what is as wished
    /// now need not be so then.
    pub fn foresee(&mut self) {
        for attribute in &mut self.attributes {
            attribute.after = Want::Later("as it is found then".into());
            attribute.differs = true;
        }
    }

    /// Returns the verdict: the most severe thing that holds.
    pub fn verdict(&self) -> Verdict {
        if self.refused.is_some() || !self.problems.is_empty() {
            Verdict::Refused
        } else if self.attributes.iter().any(|a| a.unknown().is_some()) {
            Verdict::Unknown
        } else if self.attributes.iter().any(|a| a.differs) {
            Verdict::Change
        } else if !self.findings.is_empty() {
            Verdict::Finding
        } else {
            Verdict::InSync
        }
    }

    /// Iterates over the attributes that need a write.
    pub fn differing(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes.iter().filter(|a| a.differs)
    }
}

/// What a plan says of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Live and declaration agree.
    InSync,
    /// They agree as far as writes go; a person must look into something.
    Finding,
    /// A write is needed.
    Change,
    /// Something could not be read.
    Unknown,
    /// The declaration cannot be met.
    Refused,
}

impl Verdict {
    /// True when nothing is left to write.
    pub fn is_settled(self) -> bool {
        matches!(self, Verdict::InSync | Verdict::Finding)
    }

    /// Returns the word for it in `--json` and in text.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::InSync => "in sync",
            Verdict::Finding => "finding",
            Verdict::Change => "change",
            Verdict::Unknown => "unknown",
            Verdict::Refused => "refused",
        }
    }
}

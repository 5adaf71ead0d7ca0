//! Where something was written: file, line and column.

use std::fmt;
use std::sync::Arc;

/// A position in one of the user's files; lines and columns count from 1.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file as the user would name it.
    pub file: Arc<str>,
    /// 1-based line.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
}

impl Place {
    /// Returns the place `line`:`column` of `file`.
    pub fn new(file: Arc<str>, line: u32, column: u32) -> Place {
        Place { file, line, column }
    }

    /// Returns a place for values that no file holds (computed ones, tests).
    pub fn nowhere() -> Place {
        Place { file: Arc::from(""), line: 0, column: 0 }
    }

    /// True when no file stands behind this place.
    pub fn is_nowhere(&self) -> bool {
        self.line == 0
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

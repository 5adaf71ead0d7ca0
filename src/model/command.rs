//! Commands of a manager that are declared: where they are run, with what, and how it is seen that
//! there is nothing to do.

use std::sync::Arc;

use super::question::Argument;

/// Where a command is run (CM API: the `…/commands/{name}` resources).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CommandScope {
    /// By the manager: `/cm/commands`.
    Manager,
    /// On the cluster of the side: `/clusters/{c}/commands`.
    Cluster,
    /// On a service; `mgmt` is the Cloudera Management Service.
    Service(Arc<str>),
    /// On a host: `/hosts/{h}/commands`.
    Host(Arc<str>),
    /// On Data Services on premises: `/controlPlanes/commands`, or, of one that is there already,
    /// `/controlPlanes/{uuid}/commands`.
    ControlPlanes(Option<Arc<str>>),
}

/// A value in a document of the manager.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    /// Path of the document below the API version; `{cluster}` stands for the cluster of the side.
    pub path: Arc<str>,
    /// Where in the document, see [`mod@super::member`].
    pub at: Arc<str>,
}

/// What a command is to bring about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// This value.
    Is(Arc<str>),
    /// Any value (`true`) or none.
    Exists(bool),
}

impl Wish {
    /// True if what was found is what is wished.
    pub fn holds(&self, found: Option<&str>) -> bool {
        match self {
            Wish::Is(value) => found == Some(&**value),
            Wish::Exists(is_there) => found.is_some() == *is_there,
        }
    }
}

/// A command to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The body that is sent, as JSON.
    pub arguments: Option<Argument>,
    /// Where it shows what it has brought about.
    pub done: Look,
    /// What should show there.
    pub wish: Wish,
    /// It works with files of the server it runs on, which another server does not have
    /// (requirement M13).
    pub is_file_bound: bool,
}

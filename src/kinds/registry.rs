//! The list of kinds, and a face common to all of them.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Claim, Guarded, Kind, Link, Unsettles};
use crate::model::change::Problem;
use crate::model::decode::decode;
use crate::model::kind_info::{KindInfo, SCRIPTED};
use crate::model::question::{Action, Question, Reply};
use crate::model::{Delta, Diagnostic, Node};

/// The arguments of some kind, decoded.
pub type Decoded = Arc<dyn Any + Send + Sync>;

/// Every kind. A new kind is its file and one line here.
static ALL: &[&dyn AnyKind] = &[
    &Entry::<super::cm_command::CmCommand>(PhantomData),
    &Entry::<super::cm_config::CmConfig>(PhantomData),
    &Entry::<super::cm_host::CmHost>(PhantomData),
    &Entry::<super::cm_host_template::CmHostTemplate>(PhantomData),
    &Entry::<super::cm_parcel::CmParcel>(PhantomData),
    &Entry::<super::cm_parcel_files::CmParcelFiles>(PhantomData),
    &Entry::<super::cm_parcel_repository::CmParcelRepository>(PhantomData),
    &Entry::<super::cm_peer::CmPeer>(PhantomData),
    &Entry::<super::cm_replication_schedule::CmReplicationSchedule>(PhantomData),
    &Entry::<super::cm_restart::CmRestart>(PhantomData),
    &Entry::<super::cm_role::CmRole>(PhantomData),
    &Entry::<super::cm_role_group::CmRoleGroup>(PhantomData),
    &Entry::<super::cm_server::CmServer>(PhantomData),
    &Entry::<super::cm_server_log::CmServerLog>(PhantomData),
    &Entry::<super::cm_service::CmService>(PhantomData),
    &Entry::<super::cm_single_node::CmSingleNode>(PhantomData),
    &Entry::<super::cm_single_node_gate::CmSingleNodeGate>(PhantomData),
    &Entry::<super::cm_user::CmUser>(PhantomData),
    &Entry::<super::os_authorized_key::OsAuthorizedKey>(PhantomData),
    &Entry::<super::os_block::OsBlock>(PhantomData),
    &Entry::<super::os_certificate::OsCertificate>(PhantomData),
    &Entry::<super::os_command::OsCommand>(PhantomData),
    &Entry::<super::os_cron::OsCron>(PhantomData),
    &Entry::<super::os_directory::OsDirectory>(PhantomData),
    &Entry::<super::os_file::OsFile>(PhantomData),
    &Entry::<super::os_group::OsGroup>(PhantomData),
    &Entry::<super::os_hostname::OsHostname>(PhantomData),
    &Entry::<super::os_hosts_entry::OsHostsEntry>(PhantomData),
    &Entry::<super::os_ini::OsIni>(PhantomData),
    &Entry::<super::os_kernel_arg::OsKernelArg>(PhantomData),
    &Entry::<super::os_kernel_module::OsKernelModule>(PhantomData),
    &Entry::<super::os_limits::OsLimits>(PhantomData),
    &Entry::<super::os_line::OsLine>(PhantomData),
    &Entry::<super::os_link::OsLink>(PhantomData),
    &Entry::<super::os_mount::OsMount>(PhantomData),
    &Entry::<super::os_package::OsPackage>(PhantomData),
    &Entry::<super::os_properties::OsProperties>(PhantomData),
    &Entry::<super::os_script::OsScript>(PhantomData),
    &Entry::<super::os_selinux::OsSelinux>(PhantomData),
    &Entry::<super::os_service::OsService>(PhantomData),
    &Entry::<super::os_sudoers::OsSudoers>(PhantomData),
    &Entry::<super::os_sysctl::OsSysctl>(PhantomData),
    &Entry::<super::os_timezone::OsTimezone>(PhantomData),
    &Entry::<super::os_transparent_hugepage::OsTransparentHugepage>(PhantomData),
    &Entry::<super::os_tuned::OsTuned>(PhantomData),
    &Entry::<super::os_user::OsUser>(PhantomData),
    &Entry::<super::os_xml_property::OsXmlProperty>(PhantomData),
];

/// Returns all kinds, sorted by name.
pub fn all() -> &'static [&'static dyn AnyKind] {
    ALL
}

/// Returns the kind called `name`.
pub fn find(name: &str) -> Option<&'static dyn AnyKind> {
    ALL.iter().copied().find(|kind| kind.info().name == name)
}

/// Returns what does the work of the kind called `name`: a kind of that name, or, for a kind that is
/// made of a module's shell text, the one that runs such text.
pub fn of(name: &str) -> Option<&'static dyn AnyKind> {
    find(name).or_else(|| find(SCRIPTED))
}

/// Returns what the language needs to know of all kinds.
pub fn infos() -> Vec<KindInfo> {
    ALL.iter().map(|kind| kind.info()).collect()
}

/// A kind whose arguments' type is not named. Every `args` must come from the same kind's
/// [`AnyKind::decode`].
pub trait AnyKind: Send + Sync {
    /// Returns its name and home.
    fn info(&self) -> KindInfo;
    /// Returns its manual page: the `//!` lines of its file.
    fn manual(&self) -> String;
    /// Returns the JSON Schema of its arguments.
    fn schema(&self) -> serde_json::Value;
    /// Decodes arguments; the error names the place.
    fn decode(&self, node: &Node) -> Result<Decoded, Diagnostic>;
    /// See [`Kind::key`].
    fn key(&self, args: &Decoded) -> String;
    /// See [`Kind::check`].
    fn check(&self, args: &Decoded) -> Vec<Problem>;
    /// See [`Kind::advice`].
    fn advice(&self, args: &Decoded) -> Vec<Problem>;
    /// See [`Kind::ask`].
    fn ask(&self, args: &Decoded) -> Vec<Question>;
    /// See [`Kind::ask_further`].
    fn ask_further(&self, args: &Decoded, replies: &[Reply]) -> Vec<Question>;
    /// See [`Kind::diff`].
    fn diff(&self, args: &Decoded, replies: &[Reply]) -> Delta;
    /// See [`Kind::steps`].
    fn steps(&self, args: &Decoded, delta: &Delta, replies: &[Reply]) -> Vec<Action>;
    /// See [`Kind::needs`].
    fn needs(&self, args: &Decoded) -> Vec<Link>;
    /// See [`Kind::parts`].
    fn parts(&self, args: &Node) -> Option<Vec<Node>>;
    /// See [`Kind::unsettles`].
    fn unsettles(&self, args: &Decoded) -> Option<Unsettles>;
    /// See [`Kind::guarded`].
    fn guarded(&self, args: &Decoded) -> Option<Guarded>;
    /// See [`Kind::hosts`].
    fn hosts(&self, args: &Decoded) -> Vec<String>;
    /// See [`Kind::claims`].
    fn claims(&self, args: &Decoded) -> Option<Claim>;
}

struct Entry<K>(PhantomData<fn() -> K>);

fn args<K: Kind>(decoded: &Decoded) -> &K::Args {
    decoded.downcast_ref().expect("arguments are only handed to the kind that decoded them")
}

impl<K: Kind> AnyKind for Entry<K> {
    fn info(&self) -> KindInfo {
        K::INFO
    }

    fn manual(&self) -> String {
        let lines = K::SOURCE.lines().take_while(|line| line.starts_with("//!"));
        let page: Vec<&str> = lines.map(|line| line[3..].strip_prefix(' ').unwrap_or("")).collect();
        page.join("\n") + "\n"
    }

    fn schema(&self) -> serde_json::Value {
        let mut schema = schemars::SchemaGenerator::default().into_root_schema_for::<K::Args>();
        schema.remove("$schema");
        schema.to_value()
    }

    fn decode(&self, node: &Node) -> Result<Decoded, Diagnostic> {
        decode::<K::Args>(node).map(|args| Arc::new(args) as Decoded)
    }

    fn key(&self, decoded: &Decoded) -> String {
        K::key(args::<K>(decoded))
    }

    fn check(&self, decoded: &Decoded) -> Vec<Problem> {
        K::check(args::<K>(decoded))
    }

    fn advice(&self, decoded: &Decoded) -> Vec<Problem> {
        K::advice(args::<K>(decoded))
    }

    fn ask(&self, decoded: &Decoded) -> Vec<Question> {
        K::ask(args::<K>(decoded))
    }

    fn ask_further(&self, decoded: &Decoded, replies: &[Reply]) -> Vec<Question> {
        K::ask_further(args::<K>(decoded), replies)
    }

    fn diff(&self, decoded: &Decoded, replies: &[Reply]) -> Delta {
        K::diff(args::<K>(decoded), replies)
    }

    fn steps(&self, decoded: &Decoded, delta: &Delta, replies: &[Reply]) -> Vec<Action> {
        K::steps(args::<K>(decoded), delta, replies)
    }

    fn needs(&self, decoded: &Decoded) -> Vec<Link> {
        K::needs(args::<K>(decoded))
    }

    fn parts(&self, args: &Node) -> Option<Vec<Node>> {
        K::parts(args)
    }

    fn unsettles(&self, decoded: &Decoded) -> Option<Unsettles> {
        K::unsettles(args::<K>(decoded))
    }

    fn guarded(&self, decoded: &Decoded) -> Option<Guarded> {
        K::guarded(args::<K>(decoded))
    }

    fn hosts(&self, decoded: &Decoded) -> Vec<String> {
        K::hosts(args::<K>(decoded))
    }

    fn claims(&self, decoded: &Decoded) -> Option<Claim> {
        K::claims(args::<K>(decoded))
    }
}

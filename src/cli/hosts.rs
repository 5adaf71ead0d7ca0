//! `drsync hosts`

use super::arguments::HostsOptions;
use super::exit::{Code, Fault};
use super::load;
use crate::lang::hosts::Hosts;
use crate::lang::inventory::hosts_file;
use crate::lang::list;
use crate::lang::source::Sources;
use crate::model::Diagnostic;
use crate::view;

/// Shows the hosts of an inventory as Ansible sees them.
pub fn run(options: &HostsOptions) -> Result<Code, Fault> {
    let file = match &options.path {
        Some(path) if path.is_dir() => hosts_file(path),
        Some(path) if path.is_file() => path.clone(),
        Some(path) => {
            let said = format!("there is no `{}`", path.display());
            return Err(Fault::new(Code::Usage, Diagnostic::error(said)));
        }
        None => hosts_file(&load::folder(options.inventory.as_deref())?),
    };
    let mut sources = Sources::default();
    let hosts = Hosts::load(&mut sources, &file);
    if sources.mistakes.iter().any(Diagnostic::is_error) {
        let mistakes = std::mem::take(&mut sources.mistakes);
        return Err(Fault::invalid(mistakes, sources.texts().clone()));
    }
    match (options.list, options.graph) {
        (true, _) => view::out(&format!("{}\n", list::printed(&list::list(&hosts)))),
        (_, true) => view::out(&list::graph(&hosts)),
        _ => {
            let names: Vec<&str> = hosts.hosts.keys().map(|name| &**name).collect();
            view::out(&(names.join("\n") + "\n"));
        }
    }
    Ok(Code::Done)
}

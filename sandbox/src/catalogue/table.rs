//! Reading the built-in catalogue files.

use super::setting::{Kind, Setting};

const FILES: [&str; 19] = [
    include_str!("../../catalogue/hbase.tsv"),
    include_str!("../../catalogue/hbase-roles.tsv"),
    include_str!("../../catalogue/hdfs.tsv"),
    include_str!("../../catalogue/hdfs-roles.tsv"),
    include_str!("../../catalogue/hive.tsv"),
    include_str!("../../catalogue/hive_on_tez.tsv"),
    include_str!("../../catalogue/hue.tsv"),
    include_str!("../../catalogue/impala.tsv"),
    include_str!("../../catalogue/impala-roles.tsv"),
    include_str!("../../catalogue/kafka.tsv"),
    include_str!("../../catalogue/management.tsv"),
    include_str!("../../catalogue/manager.tsv"),
    include_str!("../../catalogue/oozie.tsv"),
    include_str!("../../catalogue/platform.tsv"),
    include_str!("../../catalogue/solr.tsv"),
    include_str!("../../catalogue/spark_on_yarn.tsv"),
    include_str!("../../catalogue/yarn.tsv"),
    include_str!("../../catalogue/yarn-roles.tsv"),
    include_str!("../../catalogue/zookeeper.tsv"),
];
const GENERIC: &str = include_str!("../../catalogue/generic.tsv");

/// Every scope of the built-in files with its settings, in file order.
pub(super) fn built_in() -> Vec<(String, Vec<Setting>)> {
    FILES.iter().flat_map(|file| sections(file)).collect()
}

/// The settings every service or role has: `section` is any-service, any-role and so on.
pub(super) fn generic(section: &str, entity_type: &str) -> Vec<Setting> {
    let lower = entity_type.to_lowercase();
    let text = GENERIC.replace("{type}", &lower).replace("{TYPE}", entity_type);
    let found = sections(&text).into_iter().find(|(name, _)| name == section);
    found.map(|(_, settings)| settings).unwrap_or_default()
}

/// Splits one file at its `[scope]` lines.
fn sections(file: &str) -> Vec<(String, Vec<Setting>)> {
    let mut found: Vec<(String, Vec<Setting>)> = Vec::new();
    for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(scope) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            found.push((scope.to_owned(), Vec::new()));
        } else if let (Some((_, settings)), Some(setting)) = (found.last_mut(), parse(line)) {
            settings.push(setting);
        }
    }
    found
}

/// One line: name, type, default, native property, flags, display name, separated by tabs.
fn parse(line: &str) -> Option<Setting> {
    let mut columns = line.split('\t');
    let name = columns.next()?;
    let kind = Kind::named(columns.next()?)?;
    let default = match columns.next()? {
        "-" => None,
        "\"\"" => Some(String::new()),
        text => Some(text.to_owned()),
    };
    let related_name = columns.next().unwrap_or("").to_owned();
    let flags = columns.next().unwrap_or("");
    let bare = Setting::bare(name);
    let display_name =
        columns.next().filter(|text| !text.is_empty()).unwrap_or(&bare.display_name).to_owned();
    Some(Setting {
        kind,
        default,
        required: flags.contains('r'),
        sensitive: flags.contains('s'),
        refreshable: flags.contains('f'),
        client: flags.contains('c'),
        description: description(&display_name, &related_name),
        related_name,
        display_name,
        ..bare
    })
}

fn description(display_name: &str, related_name: &str) -> String {
    if related_name.is_empty() {
        format!("{display_name}.")
    } else {
        format!("{display_name}. Written to the configuration as {related_name}.")
    }
}

#[cfg(test)]
mod tests {
    use super::{FILES, GENERIC, parse};

    #[test]
    fn every_line_can_be_read() {
        let lines = FILES.iter().chain([&GENERIC]).flat_map(|file| file.lines());
        let settings = lines.filter(|line| !line.starts_with(['#', '[']) && !line.is_empty());
        let unread: Vec<_> = settings.filter(|line| parse(line).is_none()).collect();
        assert!(unread.is_empty(), "{unread:?}");
    }
}

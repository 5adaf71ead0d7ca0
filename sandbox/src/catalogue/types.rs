//! The service types a manager knows, with their role types.

const TYPES: &str = include_str!("../../catalogue/types.tsv");

/// The role types of a service type, with the names people see.
pub(crate) fn role_types(service_type: &str) -> Vec<(&'static str, &'static str)> {
    columns(service_type).skip(2).filter_map(|column| column.split_once('=')).collect()
}

/// The name people see for a role type; the type itself when unknown.
pub(crate) fn role_display_name<'a>(service_type: &str, role_type: &'a str) -> &'a str {
    let known = role_types(service_type).into_iter().find(|(name, _)| *name == role_type);
    known.map_or(role_type, |(_, display_name)| display_name)
}

/// The name people see for a service type; the type itself when unknown.
pub(crate) fn service_display_name(service_type: &str) -> &str {
    columns(service_type).nth(1).unwrap_or(service_type)
}

/// All service types of a cluster.
pub(crate) fn service_types() -> Vec<&'static str> {
    let names = TYPES.lines().filter(|line| !line.starts_with('#'));
    names.filter_map(|line| line.split('\t').next()).filter(|name| *name != "MGMT").collect()
}

/// Whether roles of this type hold client configuration only and never run.
pub(crate) fn is_gateway(role_type: &str) -> bool {
    role_type == "GATEWAY" || role_type == "STORAGEOPERATIONS"
}

/// Whether a role type does the bulk work, as rolling restarts tell workers from the rest.
pub(crate) fn is_worker(role_type: &str) -> bool {
    matches!(
        role_type,
        "DATANODE"
            | "NODEMANAGER"
            | "REGIONSERVER"
            | "KAFKA_BROKER"
            | "IMPALAD"
            | "SERVER"
            | "SOLR_SERVER"
            | "KUDU_TSERVER"
            | "OZONE_DATANODE"
    )
}

fn columns(service_type: &str) -> impl Iterator<Item = &'static str> + use<> {
    let line = TYPES.lines().find(|line| line.split('\t').next() == Some(service_type));
    line.unwrap_or("").split('\t').filter(|column| !column.is_empty())
}

//! Names that Cloudera Manager derives: roles, base groups.

use crate::digest::md5_hex;

/// The longest role name.
const LIMIT: usize = 64;

/// The name Cloudera Manager gives to a role.
pub(crate) fn role_name(service: &str, role_type: &str, host_id: &str) -> String {
    let host = md5_hex(host_id);
    let full = format!("{service}-{role_type}-{host}");
    if full.chars().count() <= LIMIT {
        return full;
    }
    let start: String = service.chars().take(4).collect();
    let short = format!("{start}{}-{role_type}-{host}", &md5_hex(service)[..8]);
    short.chars().take(LIMIT).collect()
}

/// The name of the default group of a role type.
pub(crate) fn base_group(service: &str, role_type: &str) -> String {
    format!("{service}-{role_type}-BASE")
}

#[cfg(test)]
mod tests {
    use super::role_name;

    #[test]
    fn shortens_long_service_names() {
        let host = "d8623d9457f4db06c5637c4fd4c02f5d";
        let digest = "7d0b6bba5cf23b4729586ee8d35ab766";
        assert_eq!(role_name("hue", "HUE_SERVER", host), format!("hue-HUE_SERVER-{digest}"));
        let store = role_name("queuemanager", "QUEUEMANAGER_STORE", host);
        assert_eq!(store, format!("queuemanager-QUEUEMANAGER_STORE-{digest}"));
        let webapp = role_name("queuemanager", "QUEUEMANAGER_WEBAPP", host);
        assert_eq!(webapp, format!("queuc8af8526-QUEUEMANAGER_WEBAPP-{}", &digest[..31]));
        let gateway = role_name("data_context_connector-8617", "GATEWAY", host);
        assert_eq!(gateway, format!("datadefdc267-GATEWAY-{digest}"));
    }
}

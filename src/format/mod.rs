//! Formats of text and bytes: Hadoop XML, properties, key stores, units, settings, differences.

pub mod authorized_keys;
pub mod block;
pub mod crontab;
pub mod grub_default;
pub mod hadoop_site;
pub mod hadoop_xml;
pub mod hosts;
pub mod ini;
pub mod ini_wish;
pub mod java_options;
pub mod java_properties;
pub mod jks;
pub mod limits;
pub mod lines;
pub mod number;
pub mod properties;
pub mod setting;
pub mod text_diff;
pub mod units;
pub mod version;
pub mod x509;

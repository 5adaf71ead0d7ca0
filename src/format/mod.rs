//! Formats of configuration text: Hadoop XML, properties, units, settings, text differences, versions.

pub mod authorized_keys;
pub mod block;
pub mod crontab;
pub mod hadoop_xml;
pub mod ini;
pub mod ini_wish;
pub mod java_properties;
pub mod lines;
pub mod number;
pub mod properties;
pub mod setting;
pub mod text_diff;
pub mod units;
pub mod version;

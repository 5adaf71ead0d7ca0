//! Formats of configuration text: Hadoop XML, properties, units, settings, text differences, versions, kernel command lines.

pub mod hadoop_xml;
pub mod kernel_line;
pub mod number;
pub mod properties;
pub mod setting;
pub mod text_diff;
pub mod units;
pub mod version;

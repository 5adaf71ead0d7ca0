//! Formats of configuration text: Hadoop XML, properties, units, settings, text differences,
//! certificates and the stores that hold them.

pub mod hadoop_xml;
pub mod jks;
pub mod number;
pub mod properties;
pub mod setting;
pub mod text_diff;
pub mod units;
pub mod x509;

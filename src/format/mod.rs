//! Formats of configuration text: Hadoop XML, properties, units, text differences.

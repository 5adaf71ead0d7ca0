//! Hadoop's XML properties, as in `*-site.xml` and in safety valves (which have no root element).

use quick_xml::Reader;
use quick_xml::events::Event;

/// One `<property>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// `<final>true</final>`: later files cannot override it.
    pub is_final: bool,
}

/// What a list of properties is made of.
const KNOWN: [&str; 7] =
    ["configuration", "property", "name", "value", "final", "description", "source"];

/// Reads the properties of a document or of a fragment without a root. Of two properties with one
/// name the later wins, as in Hadoop, unless the earlier is final.
///
/// Errors: text for the user when it is not XML of this form.
pub fn parse(text: &str) -> Result<Vec<Property>, String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut properties: Vec<Property> = Vec::new();
    let (mut current, mut element) = (None::<Property>, Vec::<String>::new());
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                let name = start.name().as_ref().to_string();
                let is_known = KNOWN.contains(&name.as_str());
                if !is_known || start.attributes().next().is_some() {
                    return Err(format!("`<{name}>` is no part of a list of properties"));
                }
                if name == "property" {
                    current = Some(Property::default());
                }
                element.push(name);
            }
            Event::End(_) => {
                let ended = element.pop();
                keep(&mut properties, current.take_if(|_| ended.as_deref() == Some("property")));
            }
            Event::Text(text) => {
                let text = text.xml_content(quick_xml::XmlVersion::Implicit1_0);
                add(&mut current, element.last(), &text)?;
            }
            Event::CData(data) => {
                add(&mut current, element.last(), &data)?;
            }
            Event::GeneralRef(reference) => {
                add(&mut current, element.last(), &entity(&reference)?)?;
            }
            Event::Empty(empty) if KNOWN.contains(&empty.name().as_ref()) => {}
            Event::Empty(_) | Event::DocType(_) => {
                return Err("this is XML, but no list of properties".into());
            }
            Event::Eof if element.is_empty() => break,
            Event::Eof => return Err(format!("`<{}>` is not closed", element.join("><"))),
            _ => {}
        }
    }
    Ok(properties)
}

/// Resolves `&amp;`, `&#10;` and their like.
pub(super) fn entity(reference: &quick_xml::events::BytesRef<'_>) -> Result<String, String> {
    if let Some(c) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(c.to_string());
    }
    let name: &str = reference;
    let text = quick_xml::escape::resolve_xml_entity(name);
    text.map(String::from).ok_or_else(|| format!("unknown entity `&{name};`"))
}

fn keep(properties: &mut Vec<Property>, property: Option<Property>) {
    let Some(mut property) = property else { return };
    property.name = property.name.trim().to_string();
    property.value = property.value.trim().to_string();
    match properties.iter_mut().find(|p| p.name == property.name) {
        Some(earlier) if earlier.is_final => {}
        Some(earlier) => *earlier = property,
        None => properties.push(property),
    }
}

fn add(current: &mut Option<Property>, element: Option<&String>, text: &str) -> Result<(), String> {
    match (current, element.map(String::as_str)) {
        (Some(property), Some("name")) => property.name.push_str(text),
        (Some(property), Some("value")) => property.value.push_str(text),
        (Some(property), Some("final")) => property.is_final |= text.trim() == "true",
        (Some(_), Some("description" | "source")) => {}
        _ if text.trim().is_empty() => {}
        (_, _) => return Err(format!("text outside of a property: `{}`", text.trim())),
    }
    Ok(())
}

/// Writes properties as a fragment without a root, one line each, as Cloudera Manager's own editor
/// does.
pub fn render(properties: &[Property]) -> String {
    let escape = |text: &str| quick_xml::escape::partial_escape(text).into_owned();
    let lines = properties.iter().map(|property| {
        let is_final = if property.is_final { "<final>true</final>" } else { "" };
        format!(
            "<property><name>{}</name><value>{}</value>{is_final}</property>",
            escape(&property.name),
            escape(&property.value)
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_read_back_as_written() {
        let text = "<property><name>a</name><value>1 &lt; 2</value></property>\n\
                    <property>\n <name>b</name><value/><final>true</final></property>";
        let properties = parse(text).unwrap();
        assert_eq!(properties[0].value, "1 < 2");
        assert!(properties[1].is_final && properties[1].value.is_empty());
        assert_eq!(parse(&render(&properties)).unwrap(), properties);
    }

    #[test]
    fn later_wins_and_broken_is_refused() {
        let two = "<property><name>a</name><value>1</value></property>\
                   <property><name>a</name><value>2</value></property>";
        assert_eq!(parse(two).unwrap()[0].value, "2");
        assert!(parse("<property><name>a</name>").is_err());
        assert!(parse("plain words").is_err());
        assert!(parse("").unwrap().is_empty());
    }
}

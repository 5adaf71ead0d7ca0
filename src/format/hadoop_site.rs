//! Hadoop's `*-site.xml` files, changed property by property: whatever is not changed stays as it
//! is, comments, licence and includes among it.

use std::ops::Range;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::hadoop_xml::entity;
use super::lines::ending;

/// A file taken apart.
#[derive(Debug)]
pub struct Site<'a> {
    text: &'a str,
    /// Its properties in the order written.
    pub properties: Vec<Property>,
    /// True when it takes in other files.
    pub includes: bool,
    root: Root,
    /// True when it is written in another encoding than UTF-8.
    is_ascii: bool,
}

/// One `<property>`, and where its parts stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Its value; a property without one sets nothing.
    pub value: Option<String>,
    /// True when later ones cannot change it.
    pub is_final: bool,
    /// What it is for.
    pub description: Option<String>,
    place: Range<usize>,
    name_at: Range<usize>,
    value_at: Range<usize>,
    final_at: Range<usize>,
    description_at: Range<usize>,
    /// True when it is written with attributes instead of elements.
    has_attributes: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Root {
    /// There is none.
    Missing,
    /// `<configuration/>`.
    Empty(Range<usize>),
    /// It ends here.
    Open(usize),
}

/// What a property should be.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
    /// Should it be final? `None` leaves that as it is.
    pub is_final: Option<bool>,
    /// What it is for; `None` leaves that as it is.
    pub description: Option<&'a str>,
}

/// What has been read so far.
struct Course<'a> {
    site: Site<'a>,
    /// The elements that are open, and where they begin.
    open: Vec<(String, usize)>,
    property: Option<Property>,
    /// The text of the innermost element.
    text: String,
}

impl<'a> Site<'a> {
    /// Takes `text` apart.
    ///
    /// Errors: why it is no Hadoop configuration.
    pub fn parse(text: &'a str) -> Result<Site<'a>, String> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        let (properties, root) = (Vec::new(), Root::Missing);
        let site = Site { text, properties, includes: false, root, is_ascii: false };
        let mut course = Course { site, open: Vec::new(), property: None, text: String::new() };
        loop {
            let start = position(&reader);
            let event = reader.read_event().map_err(|error| error.to_string())?;
            let place = start..position(&reader);
            if matches!(event, Event::Eof) {
                break;
            }
            course.take(event, place)?;
        }
        match course.open.last() {
            Some((name, _)) => Err(format!("`<{name}>` is not closed")),
            None => Ok(course.site),
        }
    }

    /// Returns the property whose value counts: the last one, or the first that is final.
    pub fn effective(&self, name: &str) -> Option<&Property> {
        let mut named = self.properties.iter().filter(|p| p.name == name && p.value.is_some());
        named.clone().find(|p| p.is_final).or_else(|| named.next_back())
    }

    /// Returns how many properties have that name.
    pub fn count(&self, name: &str) -> usize {
        self.properties.iter().filter(|p| p.name == name).count()
    }

    /// Returns the text with the property as wished. Further ones of that name go.
    pub fn set(&self, wish: &Wish<'_>) -> String {
        let named = || self.properties.iter().filter(|p| p.name == wish.name);
        let Some(kept) = self.effective(wish.name).or_else(|| named().next_back()) else {
            return self.add(wish);
        };
        let others = named().filter(|p| p.place != kept.place);
        let mut edits: Vec<Edit> =
            others.map(|p| (self.whole_lines(&p.place), "".into())).collect();
        match kept.has_attributes {
            true => edits.push((kept.place.clone(), self.render(wish, kept.is_final))),
            false => self.adjust(kept, wish, &mut edits),
        }
        self.edited(edits)
    }

    /// Returns the text without any property of that name.
    pub fn remove(&self, name: &str) -> String {
        let doomed = self.properties.iter().filter(|p| p.name == name);
        self.edited(doomed.map(|p| (self.whole_lines(&p.place), String::new())).collect())
    }

    fn adjust(&self, kept: &Property, wish: &Wish<'_>, edits: &mut Vec<Edit>) {
        let gap = self.gap(kept);
        let value = self.element("value", wish.value);
        // New elements stand behind the value, or behind the name where there is no value either.
        let mut after = String::new();
        let mut at = kept.value_at.end;
        if kept.value.is_none() {
            at = kept.name_at.end;
            after.push_str(&format!("{gap}{value}"));
        } else if kept.value.as_deref().map(str::trim) != Some(wish.value.trim()) {
            edits.push((kept.value_at.clone(), value));
        }
        match wish.is_final {
            Some(true) if !kept.is_final && kept.final_at.is_empty() => {
                after.push_str(&format!("{gap}<final>true</final>"));
            }
            Some(true) if !kept.is_final => {
                edits.push((kept.final_at.clone(), "<final>true</final>".into()));
            }
            Some(false) if kept.is_final => {
                let before = &self.text[..kept.final_at.start];
                edits.push((before.trim_end().len()..kept.final_at.end, String::new()));
            }
            _ => {}
        }
        if let Some(wished) = wish.description
            && kept.description.as_deref().map(str::trim) != Some(wished.trim())
        {
            let description = self.element("description", wished);
            match kept.description_at.is_empty() {
                true => after.push_str(&format!("{gap}{description}")),
                false => edits.push((kept.description_at.clone(), description)),
            }
        }
        if !after.is_empty() {
            edits.push((at..at, after));
        }
    }

    /// Adds a property behind all others.
    fn add(&self, wish: &Wish<'_>) -> String {
        let (end, new) = (ending(self.text), self.render(wish, false));
        let indent = self.properties.last().map_or("  ", |p| self.indent(p.place.start));
        match &self.root {
            Root::Missing => {
                let text = if self.text.trim().is_empty() { HEAD } else { self.text };
                let gap = if text.ends_with('\n') { "" } else { end };
                format!("{text}{gap}<configuration>{end}{indent}{new}{end}</configuration>{end}")
            }
            Root::Empty(place) => {
                let open = self.text[place.clone()].trim_end_matches("/>").trim_end();
                let new = format!("{open}>{end}{indent}{new}{end}</configuration>");
                self.edited(vec![(place.clone(), new)])
            }
            Root::Open(at) => {
                let line = self.line_start(*at);
                let is_alone = self.text[line..*at].trim().is_empty() && line > 0;
                let edit = match is_alone {
                    true => (line..line, format!("{indent}{new}{end}")),
                    false => (*at..*at, format!("{end}{indent}{new}{end}")),
                };
                self.edited(vec![edit])
            }
        }
    }

    /// Writes a property as the others of the file are written.
    fn render(&self, wish: &Wish<'_>, was_final: bool) -> String {
        let like = self.properties.iter().rfind(|p| !p.name_at.is_empty());
        let end = ending(self.text);
        let gap = like.map_or_else(|| format!("{end}    "), |p| self.gap(p).to_string());
        let closing = match like {
            _ if gap.is_empty() => String::new(),
            Some(p) => format!("{end}{}", self.indent(p.place.start)),
            None => format!("{end}  "),
        };
        let mut parts = vec![self.element("name", wish.name), self.element("value", wish.value)];
        if wish.is_final.unwrap_or(was_final) {
            parts.push("<final>true</final>".into());
        }
        parts.extend(wish.description.map(|text| self.element("description", text)));
        let parts: String = parts.iter().map(|part| format!("{gap}{part}")).collect();
        format!("<property>{parts}{closing}</property>")
    }

    fn element(&self, name: &str, text: &str) -> String {
        let mut escaped = String::new();
        for c in quick_xml::escape::partial_escape(text).chars() {
            match c.is_ascii() || !self.is_ascii {
                true => escaped.push(c),
                false => escaped.push_str(&format!("&#{};", u32::from(c))),
            }
        }
        format!("<{name}>{escaped}</{name}>")
    }

    /// Returns the blanks before the name of a property; nothing where other things stand there.
    fn gap(&self, property: &Property) -> &'a str {
        let before = self.text.get(property.place.start..property.name_at.start);
        let before = before.unwrap_or_default();
        let gap = before.rsplit_once('>').map_or("", |(_, gap)| gap);
        if gap.trim().is_empty() { gap } else { "" }
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |at| at + 1)
    }

    /// Returns the blanks that begin the line in which an element stands.
    fn indent(&self, at: usize) -> &'a str {
        let before = &self.text[self.line_start(at)..at];
        if before.trim().is_empty() { before } else { "" }
    }

    /// Extends `place` to whole lines where nothing else stands in them.
    fn whole_lines(&self, place: &Range<usize>) -> Range<usize> {
        let start = self.line_start(place.start);
        let end = self.text[place.end..].find('\n').map(|at| place.end + at + 1);
        let is_blank = |range: Range<usize>| self.text[range].trim().is_empty();
        match end {
            Some(end) if is_blank(start..place.start) && is_blank(place.end..end) => start..end,
            _ => place.clone(),
        }
    }

    fn edited(&self, mut edits: Vec<Edit>) -> String {
        edits.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
        let mut text = self.text.to_string();
        for (place, new) in edits {
            text.replace_range(place, &new);
        }
        text
    }
}

/// What stands in the place of a part of the text.
type Edit = (Range<usize>, String);

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                    <?xml-stylesheet type=\"text/xsl\" href=\"configuration.xsl\"?>\n";

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

impl Course<'_> {
    fn take(&mut self, event: Event<'_>, place: Range<usize>) -> Result<(), String> {
        match event {
            Event::Decl(decl) => {
                let encoding = decl.encoding().and_then(Result::ok);
                let is_utf8 = encoding.is_none_or(|name| name.eq_ignore_ascii_case("utf-8"));
                self.site.is_ascii = !is_utf8;
            }
            Event::Start(start) => self.starts(&start, place)?,
            Event::Empty(empty) => {
                self.starts(&empty, place.clone())?;
                if self.open.len() == 1 {
                    self.site.root = Root::Empty(place.clone());
                }
                self.ends(place.end..place.end);
            }
            Event::End(_) => self.ends(place),
            Event::Text(text) => {
                let text = text.xml_content(quick_xml::XmlVersion::Implicit1_0);
                if self.open.is_empty() && !text.trim_start_matches('\u{feff}').trim().is_empty() {
                    return Err("text stands outside of its root".into());
                }
                self.text.push_str(&text);
            }
            Event::CData(data) => self.text.push_str(&data),
            Event::GeneralRef(reference) => match entity(&reference) {
                Ok(text) => self.text.push_str(&text),
                Err(error) if self.is_read() => return Err(error),
                Err(_) => {}
            },
            _ => {}
        }
        Ok(())
    }

    /// True in elements whose text counts.
    fn is_read(&self) -> bool {
        self.open.last().is_some_and(|(name, _)| matches!(&**name, "name" | "value" | "final"))
    }

    fn starts(&mut self, start: &BytesStart<'_>, place: Range<usize>) -> Result<(), String> {
        let name = start.name().as_ref().to_string();
        match self.open.last().map(|(name, _)| name.as_str()) {
            None if name != "configuration" => {
                return Err(format!("its root is `<{name}>`, not `<configuration>`"));
            }
            None if self.site.root != Root::Missing => return Err("it has two roots".into()),
            Some("configuration") if name == "property" => {
                let mut property = Property { place: place.clone(), ..Property::default() };
                attributes(start, &mut property)?;
                self.property = Some(property);
            }
            _ => {}
        }
        self.site.includes |= name == "include" || name.ends_with(":include");
        self.open.push((name, place.start));
        self.text.clear();
        Ok(())
    }

    fn ends(&mut self, place: Range<usize>) {
        let Some((name, start)) = self.open.pop() else { return };
        let text = std::mem::take(&mut self.text);
        let whole = start..place.end;
        if self.open.is_empty() && self.site.root == Root::Missing {
            self.site.root = Root::Open(place.start);
        }
        let is_inside = self.open.last().is_some_and(|(name, _)| name == "property");
        if name == "property" && !is_inside {
            if let Some(mut property) = self.property.take() {
                property.place.end = whole.end;
                self.site.properties.push(property);
            }
            return;
        }
        let Some(property) = self.property.as_mut().filter(|_| is_inside) else { return };
        match name.as_str() {
            "name" => (property.name, property.name_at) = (text.trim().to_string(), whole),
            "value" => (property.value, property.value_at) = (Some(text), whole),
            "final" => (property.is_final, property.final_at) = (text.trim() == "true", whole),
            "description" => {
                (property.description, property.description_at) = (Some(text), whole);
            }
            _ => {}
        }
    }
}

/// Reads `<property name="…" value="…" final="true"/>`.
fn attributes(start: &BytesStart<'_>, property: &mut Property) -> Result<(), String> {
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0);
        let value = value.map_err(|error| error.to_string())?.into_owned();
        match attribute.key.as_ref() {
            "name" => property.name = value.trim().to_string(),
            "value" => property.value = Some(value),
            "final" => property.is_final = value.trim() == "true",
            _ => continue,
        }
        property.has_attributes = true;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = r#"<?xml version="1.0"?>
<!-- Licensed to the ASF: <property><name>a</name> -->
<configuration xmlns:xi="http://www.w3.org/2001/XInclude">
  <xi:include href="common.xml"/>
  <!-- how many -->
  <property>
    <name>dfs.replication</name>
    <value>3</value>
    <description>Copies &amp; more</description>
  </property>

  <property><name> fs.defaultFS </name><value>hdfs://ns</value><final>true</final></property>
  <property name="old" value="1"/>
</configuration>
<!-- end -->
"#;

    fn wish<'a>(name: &'a str, value: &'a str) -> Wish<'a> {
        Wish { name, value, is_final: None, description: None }
    }

    /// Sets a property and makes sure that it reads back.
    fn set(text: &str, wish: Wish<'_>) -> String {
        let new = Site::parse(text).unwrap().set(&wish);
        let site = Site::parse(&new).unwrap_or_else(|error| panic!("{error}: {new}"));
        let found = site.effective(wish.name).unwrap();
        assert_eq!(found.value.as_deref().map(str::trim), Some(wish.value.trim()), "{new}");
        assert!(wish.is_final.is_none_or(|is_final| is_final == found.is_final), "{new}");
        assert_eq!(site.set(&wish), new, "a second time changes it again");
        new
    }

    #[test]
    fn properties_are_read_in_every_form() {
        let site = Site::parse(SITE).unwrap();
        let value = |name: &str| site.effective(name).and_then(|p| p.value.clone());
        assert_eq!(value("dfs.replication").as_deref(), Some("3"));
        assert_eq!(value("old").as_deref(), Some("1"));
        assert!(site.effective("fs.defaultFS").unwrap().is_final && site.includes);
        assert_eq!(site.properties[0].description.as_deref(), Some("Copies & more"));
        assert_eq!((value("a"), site.properties.len()), (None, 3));
    }

    #[test]
    fn only_what_is_wished_changes() {
        assert_eq!(set(SITE, wish("dfs.replication", "3")), SITE);
        let two = set(SITE, wish("dfs.replication", "2 < 3"));
        assert_eq!(two, SITE.replace("<value>3<", "<value>2 &lt; 3<"));
        let new = set(SITE, wish("x", "y"));
        let one_line = "  <property><name>x</name><value>y</value></property>\n</conf";
        assert_eq!(new, SITE.replace("</conf", one_line));
        let old = set(SITE, wish("old", "2"));
        let element = "<property><name>old</name><value>2</value></property>";
        assert_eq!(old, SITE.replace("<property name=\"old\" value=\"1\"/>", element));
    }

    #[test]
    fn final_and_description_come_and_go() {
        let is_final = Wish { is_final: Some(true), ..wish("dfs.replication", "3") };
        let value = "<value>3</value>";
        let with = format!("{value}\n    <final>true</final>");
        assert_eq!(set(SITE, is_final), SITE.replace(value, &with));
        let not = Wish { is_final: Some(false), ..wish("fs.defaultFS", "hdfs://ns") };
        assert_eq!(set(SITE, not), SITE.replace("<final>true</final>", ""));
        assert_eq!(set(SITE, Wish { description: Some("Copies & more"), ..not }), {
            SITE.replace("<final>true</final>", "<description>Copies &amp; more</description>")
        });
        let told = Wish { description: Some("a&b"), ..wish("dfs.replication", "3") };
        assert_eq!(set(SITE, told), SITE.replace("Copies &amp; more", "a&amp;b"));
        assert_eq!(
            set(&set(SITE, is_final), wish("dfs.replication", "1")).matches("true").count(),
            2
        );
    }

    #[test]
    fn of_several_the_last_counts_unless_one_is_final() {
        let p =
            |value: &str| format!("<property><name>a</name><value>{value}</value></property>\n");
        let last = format!("<configuration>\n{}{}</configuration>\n", p("1"), p("2"));
        assert_eq!(Site::parse(&last).unwrap().effective("a").unwrap().value.as_deref(), Some("2"));
        assert_eq!(set(&last, wish("a", "3")), last.replace(&p("1"), "").replace('2', "3"));
        let first = last.replace("1</value>", "1</value><final>true</final>");
        assert_eq!(
            Site::parse(&first).unwrap().effective("a").unwrap().value.as_deref(),
            Some("1")
        );
        let not = Wish { is_final: Some(false), ..wish("a", "1") };
        assert_eq!(set(&first, not), format!("<configuration>\n{}</configuration>\n", p("1")));
        let site = Site::parse(&last).unwrap();
        assert_eq!(site.remove("a"), "<configuration>\n</configuration>\n");
    }

    #[test]
    fn files_are_made_or_filled() {
        let made = set("", wish("a", "ä"));
        assert!(made.starts_with("<?xml ") && made.contains("\n  <property>\n    <name>a</name>"));
        for text in [
            "<configuration/>",
            "<configuration />\n",
            "<configuration></configuration>",
            "<configuration>\n</configuration>",
            "<?xml version=\"1.0\"?>\n<!-- licence -->\n",
            "<configuration><property><name>z</name><value/></property></configuration>",
            "<configuration><property><name>a</name></property></configuration>",
            "<configuration>\n<property><value>1</value></property>\n</configuration>",
        ] {
            set(text, wish("a", "1"));
        }
        let latin = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><configuration/>";
        assert!(set(latin, wish("a", "ä")).is_ascii());
        let windows = set("<configuration>\r\n</configuration>\r\n", wish("a", "1"));
        assert_eq!(windows.matches('\n').count(), windows.matches("\r\n").count());
    }

    #[test]
    fn what_is_no_configuration_is_said() {
        let no = |text: &str| Site::parse(text).map(|_| ()).unwrap_err();
        assert_eq!(no("<project/>"), "its root is `<project>`, not `<configuration>`");
        assert_eq!(no("<configuration><property>"), "`<property>` is not closed");
        assert!(no("<configuration></property>").contains("property"));
        assert_eq!(no("words"), "text stands outside of its root");
        let custom = "<configuration><property><name>&x;</name></property></configuration>";
        assert_eq!(no(custom), "unknown entity `&x;`");
    }
}

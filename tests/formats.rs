//! Changing a part of a text: whatever the text, a change does what is wished, does it once, and
//! leaves everything else as it is.

use drsync::format::block::{self, Markers};
use drsync::format::hadoop_site::{self, Site};
use drsync::format::hosts;
use drsync::format::ini_wish::{self, Wish};
use drsync::format::java_properties;
use drsync::format::limits::{self, Subject};
use proptest::prelude::*;

/// Texts made of `parts`, which is where the traps are.
fn texts(parts: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(parts), 0..16).prop_map(|p| p.concat())
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() }
}

const INI: &[&str] = &[
    "[a]\n",
    "[[b]]\n",
    "[[[c]]]",
    "[c]\r\n",
    "x",
    "x = 1",
    " = ",
    "=",
    "# ",
    "#x = 1\n",
    ";",
    "\n",
    "\r\n",
    "  ",
    "\t",
    "{\n",
    "}\n",
    " = {\n",
    "'''",
    "\\\n",
    "y = 2\n",
    "# about\n",
    "\u{feff}",
    "x: 1\n",
    "ä",
];

const SITE: &[&str] = &[
    "<configuration>",
    "</configuration>",
    "<configuration/>",
    "<property>",
    "</property>\n",
    "<name>a</name>",
    "<value>1</value>",
    "<value/>",
    "<final>true</final>",
    "<!-- <name>a</name> -->",
    "\n",
    "  ",
    "<property><name>a</name><value>2</value></property>\n",
    "&amp;",
    "&x;",
    "<x>",
    "text",
    "<property name=\"a\" value=\"3\"/>",
    "<description>d</description>",
    "<?xml version=\"1.0\"?>",
];

const PROPERTIES: &[&str] = &[
    "k", "=", ":", " ", "\\", "\n", "\r\n", "#", "!", "\t", "\\u0041", "\\\n", "\\\\", "k=1\n",
    "ä", "\\k",
];

const LIMITS: &[&str] = &[
    "a soft nofile 1\n",
    "a - nofile 2",
    "a",
    " ",
    "\t",
    "soft",
    "-",
    "nofile",
    "9",
    "#",
    "\n",
    "\r\n",
];

const HOSTS: &[&str] = &[
    "10.0.0.1",
    "10.0.0.2",
    "::1",
    " ",
    "\t",
    "n1",
    "n2",
    "N1",
    "#",
    "\n",
    "\r\n",
    "127.0.0.1 localhost n1\n",
    "x",
];

const BLOCK: &[&str] =
    &["# BEGIN X\n", "# END X\n", "# END X", "a", "\n", "\r\n", "b\n", "# BEGIN X"];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_option_is_set_or_it_is_said_why_not(
        text in texts(INI),
        path in 0..4usize,
        flags in any::<[bool; 5]>(),
    ) {
        let [present, exclusive, reuse, spaced, any_spaces] = flags;
        let names = ["a", "b", "c"];
        let wish = Wish {
            section: names[..path].iter().map(|name| name.to_string()).collect(),
            option: Some("x"),
            values: vec![Some("7".into())],
            present, exclusive, reuse, spaced, any_spaces,
            ..Wish::default()
        };
        if let Ok(outcome) = ini_wish::fulfil(&text, &wish) {
            let again = ini_wish::fulfil(&outcome.text, &wish).unwrap();
            prop_assert_eq!(&again.text, &outcome.text);
            let seven = vec![Some("7".to_string())];
            match (present, exclusive) {
                (true, true) => prop_assert_eq!(again.live, seven),
                (true, false) => prop_assert!(again.live.contains(&seven[0])),
                (false, _) => prop_assert!(again.live.is_empty()),
            }
            // What is changed is the option's lines; no other is lost.
            let others = |text: &str| text.lines().filter(|l| !l.contains('x')).map(|l| l.replace('\u{feff}', "")).filter(|l| !l.is_empty()).collect::<Vec<_>>();
            let (before, after) = (others(&text), others(&outcome.text));
            prop_assert!(before.iter().all(|line| after.contains(line)), "{:?} {:?}", before, after);
        }
    }

    #[test]
    fn a_property_of_a_site_is_set(text in texts(SITE), is_final in any::<Option<bool>>()) {
        if let Ok(site) = Site::parse(&text) {
            let wish = hadoop_site::Wish { name: "a", value: "7 <&> ä", is_final, description: Some("d & e") };
            let new = site.set(&wish);
            let site = Site::parse(&new).unwrap();
            let found = site.effective("a").unwrap();
            prop_assert_eq!(found.value.as_deref().map(str::trim), Some("7 <&> ä"), "{}", new);
            prop_assert_eq!(found.description.as_deref(), Some("d & e"));
            prop_assert!(is_final.is_none_or(|is_final| is_final == found.is_final));
            prop_assert_eq!(site.set(&wish), new.clone());
            let without = site.remove("a");
            prop_assert_eq!(Site::parse(&without).unwrap().count("a"), 0);
        }
    }

    #[test]
    fn a_java_property_is_set(text in texts(PROPERTIES), value in texts(PROPERTIES)) {
        if let Ok(before) = java_properties::parse(&text) {
            let new = java_properties::set(&text, "k", &value).unwrap();
            let after = java_properties::parse(&new).unwrap();
            let others = |entries: &[java_properties::Entry<'_>]| {
                let others = entries.iter().filter(|entry| entry.key != "k");
                others.map(|entry| (entry.key.clone(), entry.value.clone())).collect::<Vec<_>>()
            };
            prop_assert_eq!(others(&before), others(&after), "{:?}", new);
            let found = after.iter().rfind(|entry| entry.key == "k").unwrap();
            prop_assert_eq!(&found.value, &value);
            prop_assert_eq!(java_properties::set(&new, "k", &value).unwrap(), new.clone());
            let without = java_properties::remove(&new, "k").unwrap();
            let without = java_properties::parse(&without).unwrap();
            prop_assert!(without.iter().all(|entry| entry.key != "k"));
        }
    }

    #[test]
    fn a_limit_is_the_last_that_counts(text in texts(LIMITS)) {
        let subject = Subject { domain: "a", sort: "soft", item: "nofile" };
        let new = limits::set(&text, &subject, "7", "");
        let last = new.lines().filter_map(limits::parse).rfind(|limit| subject.meets(&limit.subject));
        prop_assert_eq!(last.map(|limit| limit.value), Some("7"));
        prop_assert_eq!(limits::set(&new, &subject, "7", ""), new);
    }

    #[test]
    fn an_address_has_one_line(text in texts(HOSTS), present in any::<bool>(), exclusive in any::<bool>()) {
        let names = ["n1".to_string(), "n9".to_string()];
        let wish = hosts::Wish { address: "10.0.0.1".parse().unwrap(), names: &names, present, exclusive };
        let new = hosts::fulfil(&text, &wish).text;
        let again = hosts::fulfil(&new, &wish);
        prop_assert_eq!(&again.text, &new);
        prop_assert!(again.elsewhere.is_empty());
        let own = new.lines().filter_map(hosts::parse).filter(|entry| entry.address == wish.address);
        let own: Vec<_> = own.collect();
        match present {
            true => prop_assert_eq!(&own[0].names[..2], ["n1", "n9"]),
            false => prop_assert!(own.iter().all(|e| !e.names.contains(&"n1") && !e.names.contains(&"N1"))),
        }
        prop_assert!(!present || own.len() == 1);
    }

    #[test]
    fn a_block_goes_in_and_out(text in texts(BLOCK), blank in any::<(bool, bool)>(), at in 0..9usize) {
        let markers = Markers::new("# {mark} X", "BEGIN", "END");
        if let Ok(place) = markers.find(&text) {
            let is_new = place.is_none();
            let count = text.split_inclusive('\n').count();
            let place = place.unwrap_or(at.min(count)..at.min(count));
            let new = block::put(&text, place, "1\n\n2\n", &markers, blank);
            let place = markers.find(&new).unwrap().unwrap();
            prop_assert_eq!(block::content(&new, &place), "1\n\n2\n");
            prop_assert_eq!(&block::put(&new, place.clone(), "1\n\n2\n", &markers, blank), &new);
            let without = block::take(&new, place);
            let full = |text: &str| text.lines().filter(|l| !l.is_empty()).map(String::from).collect::<Vec<_>>();
            prop_assert!(!is_new || full(&without) == full(&text), "{:?} {:?}", without, text);
        }
    }
}

//! The demo: the schema and the content of a small company's site, built into the binary.

use indelible_engine::schema::SchemaSource;

/// A file of the demo: its name and its text.
pub(crate) struct DemoFile {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
}

impl DemoFile {
    pub(crate) fn source(&self) -> SchemaSource {
        SchemaSource::new(self.name, self.text)
    }
}

macro_rules! files {
    ($folder:literal: $($name:literal)*) => {
        [$(DemoFile { name: $name, text: include_str!(concat!($folder, $name)) }),*]
    };
}

/// The schema, one file per kind.
pub(crate) const SCHEMA: [DemoFile; 4] =
    files!("../demo/": "services.json" "settings.json" "solutions.json" "team.json");

/// The content, one file per kind.
pub(crate) const CONTENT: [DemoFile; 4] =
    files!("../demo/content/": "services.json" "settings.json" "solutions.json" "team.json");

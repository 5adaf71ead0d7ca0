//! The log of a server, in the format of a real one.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A log that is added to line by line.
pub struct Log(PathBuf);

impl Log {
    /// The log at `path`; its folder need not exist yet.
    pub fn new(path: &Path) -> Log {
        if let Some(folder) = path.parent() {
            // Nowhere to tell it: writing fails, too, and is told to the caller's terminal.
            let _ = std::fs::create_dir_all(folder);
        }
        Log(path.to_owned())
    }

    /// Notes something that is as it should be.
    pub fn info(&self, class: &str, text: &str) {
        self.write("INFO", "main", class, text);
    }

    /// Notes something that went wrong.
    pub fn error(&self, class: &str, text: &str) {
        self.write("ERROR", "main", class, text);
    }

    /// Notes what the database said, as Hibernate does.
    pub fn refused(&self, text: &str) {
        let class = "org.hibernate.engine.jdbc.spi.SqlExceptionHelper";
        self.write("ERROR", "ParcelUpdateService", class, text);
    }

    fn write(&self, level: &str, thread: &str, class: &str, text: &str) {
        let time = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S,%3f");
        let line = format!("{time} {level} {thread}:{class}: {text}\n");
        let file = OpenOptions::new().create(true).append(true).open(&self.0);
        if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}

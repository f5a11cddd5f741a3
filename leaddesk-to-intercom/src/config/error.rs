//! What is wrong with a configuration, where, and how to mend it.

use std::fmt;

/// A configuration that cannot be used: all its problems at once, the most important first.
///
/// `Display` gives one line for each problem. Neither holds a secret or a person's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// What sort of problem it is.
    pub kind: ConfigErrorKind,
    /// The line of the file, counted from 1, where it is known.
    pub line: Option<usize>,
    /// The setting by its full name, such as `source.time_zone`; empty where the file as a whole is meant.
    pub key: String,
    /// What is wrong: a sentence that names the setting.
    pub what: String,
    /// What to do about it: a sentence.
    pub remedy: String,
}

/// Sorts of problems, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// The file cannot be read.
    Unreadable,
    /// The file is no TOML.
    Syntax,
    /// A key that does not exist.
    UnknownKey,
    /// A key that is needed and not there.
    MissingKey,
    /// A value that is not allowed.
    InvalidValue,
    /// A value whose feature comes later.
    NotAvailable,
    /// An environment variable that should hold a secret and does not.
    MissingSecret,
}

impl ConfigError {
    /// `problems` must not be empty.
    pub(super) fn new(file: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.kind, problem.line));
        Self { file: file.to_owned(), problems }
    }

    /// The file the configuration came from.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// All problems, the most important first.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The sort of the most important problem.
    #[must_use]
    pub fn kind(&self) -> ConfigErrorKind {
        self.problems.first().map_or(ConfigErrorKind::Unreadable, |problem| problem.kind)
    }

    /// The setting of the most important problem, such as `source.time_zone`.
    #[must_use]
    pub fn key(&self) -> &str {
        self.problems.first().map_or("", |problem| &problem.key)
    }
}

impl Problem {
    pub(super) fn new(
        kind: ConfigErrorKind,
        key: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { kind, line: None, key: key.into(), what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Problem { line, what, remedy, .. }) in self.problems.iter().enumerate() {
            let (newline, space) =
                (if at > 0 { "\n" } else { "" }, if remedy.is_empty() { "" } else { " " });
            match line {
                Some(line) => write!(f, "{newline}{}:{line}: {what}{space}{remedy}", self.file)?,
                None => write!(f, "{newline}{}: {what}{space}{remedy}", self.file)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

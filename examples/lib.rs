//! Examples of the migration crates; each file answers one question.

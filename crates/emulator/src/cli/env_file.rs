// SPDX-License-Identifier: Apache-2.0
//! `.env` files: a `KEY=VALUE` per line, with comments, quotes and an optional `export`.
//!
//! Read here and not by a crate: `dotenvy`, the one that most use, tells no line numbers and replaces `$NAME` by what the
//! shell has, so that a password with a dollar sign changes without a word.

/// A line that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(crate) struct EnvFileError {
    line: usize,
    problem: Problem,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("expected KEY=VALUE, got {0:?}")]
    NoEquals(String),
    #[error(
        "{0:?} is no name of a variable, expected letters, digits and `_`, not beginning with a digit"
    )]
    Name(String),
    #[error("the quote {0} is not closed")]
    Open(char),
    #[error("{0:?} behind the closing quote")]
    Behind(String),
    #[error("a NUL is no text of a variable")]
    Nul,
}

/// The variables in their order; the last one of a name counts.
///
/// | value | is |
/// |---|---|
/// | `plain # comment` | `plain`, without the blanks around it |
/// | `'as it is'` | the text between the quotes, over several lines too |
/// | `"with \n and \""` | the same, with the escapes `\n`, `\r`, `\t`, `\"`, `\\` and `\$`; another backslash is itself |
///
/// A `$` is a `$`: nothing is replaced.
///
/// # Errors
/// The first line that cannot be read.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, String)>, EnvFileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        rest: text,
        line: 1,
    };
    let mut variables = Vec::new();
    while !reader.rest.is_empty() {
        let line = reader.line;
        match reader.variable() {
            Ok(found) => variables.extend(found),
            Err(problem) => return Err(EnvFileError { line, problem }),
        }
    }
    Ok(variables)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    /// Reads one line, or several that a quote holds together.
    fn variable(&mut self) -> Result<Option<(String, String)>, Problem> {
        let line = self.rest.lines().next().unwrap_or_default();
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            self.take(line.len());
            self.end_of_line()?;
            return Ok(None);
        }
        let at = line
            .find('=')
            .ok_or_else(|| Problem::NoEquals(trimmed.to_owned()))?;
        let (name, _) = line.split_at(at);
        let name = name.trim();
        let name = match name.strip_prefix("export") {
            Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
            _ => name,
        };
        if !is_name(name) {
            return Err(Problem::Name(name.to_owned()));
        }
        self.take(at + 1);
        let blanks = self.rest.len() - self.rest.trim_start_matches([' ', '\t']).len();
        self.take(blanks);
        let value = match self.rest.chars().next() {
            Some('\'') => self.quoted('\'', |_| None)?,
            Some('"') => self.quoted('"', escape)?,
            _ => self.plain(),
        };
        if value.contains('\0') {
            return Err(Problem::Nul);
        }
        self.end_of_line()?;
        Ok(Some((name.to_owned(), value)))
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn plain(&mut self) -> String {
        let line = self.rest.lines().next().unwrap_or_default();
        let comment = line
            .match_indices('#')
            .find(|(at, _)| *at == 0 || line[..*at].ends_with([' ', '\t']))
            .map_or(line.len(), |(at, _)| at);
        let value = line[..comment].trim().to_owned();
        self.take(comment);
        value
    }

    fn quoted(
        &mut self,
        quote: char,
        escape: impl Fn(char) -> Option<char>,
    ) -> Result<String, Problem> {
        let mut value = String::new();
        let mut characters = self.rest.char_indices().skip(1).peekable();
        while let Some((at, character)) = characters.next() {
            if character == quote {
                self.take(at + 1);
                return Ok(value);
            }
            let escaped = match characters.peek() {
                Some((_, next)) if character == '\\' => escape(*next),
                _ => None,
            };
            match escaped {
                Some(meant) => {
                    characters.next();
                    value.push(meant);
                }
                None => value.push(character),
            }
        }
        Err(Problem::Open(quote))
    }

    /// Nothing but blanks and a comment may follow.
    fn end_of_line(&mut self) -> Result<(), Problem> {
        let line = self.rest.lines().next().unwrap_or_default();
        let behind = line.trim();
        if !behind.is_empty() && !behind.starts_with('#') {
            return Err(Problem::Behind(behind.to_owned()));
        }
        let end = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
        self.take(end);
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn escape(character: char) -> Option<char> {
    match character {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '"' | '\\' | '$' => Some(character),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_env_files_have_them() {
        for (text, expected) in [
            ("", vec![]),
            ("# only a comment\n\n", vec![]),
            ("A=1\nB=2", vec![("A", "1"), ("B", "2")]),
            ("A=1\r\nB=2\r\n", vec![("A", "1"), ("B", "2")]),
            ("\u{feff}A=1", vec![("A", "1")]),
            ("  export A = b c  # d", vec![("A", "b c")]),
            ("export=1", vec![("export", "1")]),
            ("A=", vec![("A", "")]),
            ("A=#none", vec![("A", "")]),
            ("A=b#c", vec![("A", "b#c")]),
            (
                "URL=postgres://u:p$w=@h/db?x=1",
                vec![("URL", "postgres://u:p$w=@h/db?x=1")],
            ),
            ("A='$B \\n # \"'", vec![("A", "$B \\n # \"")]),
            (r#"A="a\nb\t\"\\\$\d $B""#, vec![("A", "a\nb\t\"\\$\\d $B")]),
            (
                "A='one\ntwo' # behind\nB=3",
                vec![("A", "one\ntwo"), ("B", "3")],
            ),
            ("A=1\nA=2", vec![("A", "1"), ("A", "2")]),
            ("A=\"ä€\"", vec![("A", "ä€")]),
        ] {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            assert_eq!(parse(text), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        for (text, expected) in [
            (
                "A=1\nnonsense\n",
                "line 2: expected KEY=VALUE, got \"nonsense\"",
            ),
            ("\n\n1A=x", "line 3: \"1A\" is no name of a variable"),
            ("A B=x", "line 1: \"A B\" is no name"),
            ("=x", "line 1: \"\" is no name"),
            (
                "A='one\ntwo'\nB=\"open\nC=1",
                "line 3: the quote \" is not closed",
            ),
            ("A='b'c", "line 1: \"c\" behind the closing quote"),
            ("A=\0", "line 1: a NUL"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
    }
}

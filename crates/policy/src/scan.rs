//! A look at Cedar text before Cedar sees it.
//!
//! Cedar's parser and validator recurse over what they read, and a few kilobytes of brackets or operators overflow
//! their stack, which ends the process. This scan knows only tokens. It counts what makes them recurse: how deep
//! brackets nest, how many operators one policy has, how long a path is.

use chancery_base::limits::{NESTING_MAX, OPERATORS_MAX};

/// Why a text is not given to Cedar. Lines and columns count from 1; a column counts characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// Brackets nest deeper than allowed.
    #[error("line {line}, column {column}: brackets nest deeper than {NESTING_MAX}")]
    Nesting {
        /// Line of the bracket.
        line: usize,
        /// Column of the bracket.
        column: usize,
    },
    /// One policy has more operators than allowed.
    #[error("line {line}, column {column}: more than {OPERATORS_MAX} operators in one policy")]
    Operators {
        /// Line of the operator.
        line: usize,
        /// Column of the operator.
        column: usize,
    },
    /// A path `A::B::…` has more parts than brackets may nest.
    #[error("line {line}, column {column}: a path of more than {NESTING_MAX} parts")]
    Path {
        /// Line of the part.
        line: usize,
        /// Column of the part.
        column: usize,
    },
    /// More policies than allowed.
    #[error("more than {max} policies")]
    Policies {
        /// How many there may be.
        max: usize,
    },
    /// A string begins and does not end.
    #[error("line {line}, column {column}: the string that begins here does not end")]
    String {
        /// Line of the quote.
        line: usize,
        /// Column of the quote.
        column: usize,
    },
}

/// Scans policies and counts them, as many as end with `;`.
///
/// # Errors
/// If something nests too deep, is chained too long, or there are more than `policies_max` policies.
pub fn policies(text: &str, policies_max: usize) -> Result<usize, ScanError> {
    let mut scan = Scan::new(text, true);
    scan.run()?;
    if scan.statements > policies_max {
        return Err(ScanError::Policies { max: policies_max });
    }
    Ok(scan.statements)
}

/// Scans a schema. Types nest by `<`, `(`, `{` and `[`.
///
/// # Errors
/// If something nests too deep or a path is too long.
pub fn schema(text: &str) -> Result<(), ScanError> {
    Scan::new(text, false).run()
}

/// What the last token was, as far as the next one's meaning depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// A name, string or closing bracket: what follows may apply to it.
    Operand,
    /// `::`.
    Path,
    /// Anything else.
    Other,
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    is_policy: bool,
    depth: usize,
    operators: usize,
    path: usize,
    last: Last,
    statements: usize,
}

impl<'a> Scan<'a> {
    const fn new(text: &'a str, is_policy: bool) -> Self {
        Self { text, at: 0, is_policy, depth: 0, operators: 0, path: 0, last: Last::Other, statements: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn run(&mut self) -> Result<(), ScanError> {
        while let Some(c) = self.rest().chars().next() {
            if c.is_whitespace() {
                self.at += c.len_utf8();
            } else if self.rest().starts_with("//") {
                self.at += self.rest().find(['\n', '\r']).unwrap_or(self.rest().len());
            } else if c == '"' {
                self.string()?;
            } else if c == '_' || c.is_alphanumeric() {
                self.word()?;
            } else {
                self.sign(c)?;
            }
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), ScanError> {
        let mut is_escaped = false;
        for (offset, c) in self.rest().char_indices().skip(1) {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => {
                    self.at += offset + 1;
                    self.last = Last::Operand;
                    return Ok(());
                }
                _ => {}
            }
        }
        let (line, column) = line_column(self.text, self.at);
        Err(ScanError::String { line, column })
    }

    fn word(&mut self) -> Result<(), ScanError> {
        let rest = self.rest();
        let len = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
        let word = rest.get(..len).unwrap_or_default();
        // After a dot or `::` these are names, and counting them all the same only counts too much.
        let is_operator = matches!(word, "in" | "has" | "like" | "is" | "if" | "when" | "unless");
        if is_operator {
            self.operator()?;
        }
        if self.last != Last::Path {
            self.path = 0;
        }
        self.at += len;
        self.last = if is_operator { Last::Other } else { Last::Operand };
        Ok(())
    }

    fn sign(&mut self, c: char) -> Result<(), ScanError> {
        match c {
            // An index or a call that applies to what stands before it is a link of a chain.
            '(' | '[' | '{' => {
                if self.last == Last::Operand && c != '{' {
                    self.operator()?;
                }
                self.open()?;
            }
            ')' | ']' | '}' => self.close(Last::Operand),
            '<' if !self.is_policy => self.open()?,
            '>' if !self.is_policy => self.close(Last::Operand),
            ';' => self.end_statement(),
            ':' if self.rest().starts_with("::") => return self.path_sign(),
            '|' | '&' | '=' | '!' | '<' | '>' | '+' | '-' | '*' | '/' | '%' | '.' | '?' => {
                self.operator()?;
                self.last = Last::Other;
                self.at += operator_len(self.rest());
                return Ok(());
            }
            _ => self.last = Last::Other,
        }
        self.at += c.len_utf8();
        Ok(())
    }

    fn open(&mut self) -> Result<(), ScanError> {
        self.depth += 1;
        self.last = Last::Other;
        if self.depth > NESTING_MAX {
            let (line, column) = line_column(self.text, self.at);
            return Err(ScanError::Nesting { line, column });
        }
        Ok(())
    }

    const fn close(&mut self, last: Last) {
        self.depth = self.depth.saturating_sub(1);
        self.last = last;
    }

    // Any `;` ends the count, even one inside brackets: Cedar's parser takes none there and says so itself, but its
    // error recovery sees the whole text, so depth is kept.
    const fn end_statement(&mut self) {
        self.statements += 1;
        if self.depth == 0 {
            self.operators = 0;
        }
        self.last = Last::Other;
    }

    fn operator(&mut self) -> Result<(), ScanError> {
        if !self.is_policy {
            return Ok(());
        }
        self.operators += 1;
        if self.operators > OPERATORS_MAX {
            let (line, column) = line_column(self.text, self.at);
            return Err(ScanError::Operators { line, column });
        }
        Ok(())
    }

    fn path_sign(&mut self) -> Result<(), ScanError> {
        self.path += 1;
        if self.path > NESTING_MAX {
            let (line, column) = line_column(self.text, self.at);
            return Err(ScanError::Path { line, column });
        }
        self.last = Last::Path;
        self.at += 2;
        Ok(())
    }
}

fn operator_len(rest: &str) -> usize {
    if ["||", "&&", "==", "!=", "<=", ">="].iter().any(|sign| rest.starts_with(sign)) { 2 } else { 1 }
}

/// Line and column, from 1, of a byte offset.
pub(crate) fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_begin = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before.get(line_begin..).unwrap_or_default().chars().count() + 1)
}

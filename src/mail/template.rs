//! Texts in which words in braces stand for values.

/// A text with placeholders such as `{account}`. A placeholder is a known word of lower-case
/// letters and `_` in braces; other braces are text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template<W> {
    text: Box<str>,
    parts: Vec<TemplatePart<W>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePart<W> {
    Text(Box<str>),
    Word(W),
}

impl<W: Copy> Template<W> {
    /// Splits a text at its placeholders.
    ///
    /// # Errors
    /// The first placeholder that is not in `known`.
    pub fn parse(text: &str, known: &[(&str, W)]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let (mut plain, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            plain.push_str(before);
            let Some(word) = placeholder(after) else {
                plain.push('{');
                rest = after;
                continue;
            };
            let found = known.iter().find(|(name, _)| *name == word);
            let (_, value) = found.ok_or_else(|| word.to_owned())?;
            if !plain.is_empty() {
                parts.push(TemplatePart::Text(std::mem::take(&mut plain).into()));
            }
            parts.push(TemplatePart::Word(*value));
            rest = after.get(word.len() + 1..).unwrap_or_default();
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(TemplatePart::Text(plain.into()));
        }
        let text = text.into();
        Ok(Self { text, parts })
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The words of its placeholders, in order.
    pub fn words(&self) -> impl Iterator<Item = W> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Text(_) => None,
            TemplatePart::Word(word) => Some(*word),
        })
    }

    /// The text before the first placeholder.
    pub fn fixed_start(&self) -> &str {
        match self.parts.first() {
            Some(TemplatePart::Text(text)) => text,
            _ => "",
        }
    }

    /// The text with each placeholder replaced once: placeholders in a replacement are text.
    pub fn fill<'a>(&self, value: impl Fn(W) -> &'a str) -> String {
        let text = self.parts.iter().map(|part| match part {
            TemplatePart::Text(text) => text,
            TemplatePart::Word(word) => value(*word),
        });
        text.collect()
    }
}

/// The word of a placeholder that begins before `after`, with its opening brace.
fn placeholder(after: &str) -> Option<&str> {
    let (word, _) = after.split_once('}')?;
    let is_word = word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    (is_word && !word.is_empty()).then_some(word)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const KNOWN: [(&str, char); 2] = [("account", 'a'), ("host", 'h')];

    fn filled(text: &str) -> Result<String, String> {
        let template = Template::parse(text, &KNOWN)?;
        assert_eq!(template.as_str(), text);
        Ok(template.fill(|word| if word == 'a' { "{host}" } else { "H" }))
    }

    #[test]
    fn known_words_in_braces_are_replaced_once_and_other_braces_are_text() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("{account}", "{host}"),
            ("<{host}/{account}>", "<H/{host}>"),
            ("{Host} {} {host {host}", "{Host} {} {host H"),
            ("{{host}}", "{H}"),
        ] {
            assert_eq!(filled(text).unwrap(), expected, "{text}");
        }
        assert_eq!(filled("a{hots}"), Err("hots".to_owned()));
        let template = Template::parse("x/{host}/y", &KNOWN).unwrap();
        assert_eq!(template.fixed_start(), "x/");
        assert_eq!(template.words().collect::<Vec<_>>(), ['h']);
    }
}

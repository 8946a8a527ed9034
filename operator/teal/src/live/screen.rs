//! A part of the terminal that is drawn again and again, and given back as it was.

use std::io::{IsTerminal, Write};

use anstream::ColorChoice;

/// Hides the cursor, and cuts long lines off instead of breaking them.
const BEGIN: &str = "\x1b[?25l\x1b[?7l";
/// The same the other way round.
const END: &str = "\x1b[?25h\x1b[?7h";
/// Where the terminal does not say how large it is.
const USUAL: Size = Size {
    columns: 80,
    rows: 24,
};

/// How much fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// Text at the end of standard output. What was drawn last stays when it is dropped.
#[derive(Debug)]
pub(crate) struct Screen {
    lines: usize,
    colours: bool,
}

impl Screen {
    /// None where standard output is no terminal, or one without means to move the cursor.
    pub(crate) fn open() -> Option<Self> {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if dumb || !std::io::stdout().is_terminal() {
            return None;
        }
        // NO_COLOR is about colours: the cursor moves all the same.
        let colours = anstream::AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
        put(BEGIN);
        Some(Self { lines: 0, colours })
    }

    /// How large the terminal is now.
    pub(crate) fn size(&self) -> Size {
        match rustix::termios::tcgetwinsize(std::io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => Size {
                columns: usize::from(size.ws_col),
                rows: usize::from(size.ws_row),
            },
            Ok(_) | Err(_) => USUAL,
        }
    }

    /// Takes the place of what was drawn before. What does not fit is left out at the end, and the last line says so.
    pub(crate) fn draw(&mut self, text: &str) {
        let room = self.size().rows.saturating_sub(1).max(1);
        let more = text.lines().count().saturating_sub(room);
        let more = (more > 0).then(|| format!("and {} lines more", more + 1));
        let room = room - usize::from(more.is_some());
        let kept: Vec<&str> = text.lines().take(room).chain(more.as_deref()).collect();
        let drawn = redraw(self.lines, &kept, self.colours);
        self.lines = kept.len();
        put(&drawn);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The terminal writes `^C` where the cursor is when somebody presses that.
        put(&format!("\r\x1b[K{END}"));
    }
}

/// Gives the terminal back where a [`Screen`] cannot be dropped; harmless where nothing was changed.
pub(crate) fn restore() {
    if std::io::stdout().is_terminal() {
        put(END);
    }
}

fn put(text: &str) {
    let mut out = std::io::stdout().lock();
    // A terminal that is gone takes nothing, and nobody looks.
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Up over `before` lines, these ones instead, and nothing below.
fn redraw(before: usize, lines: &[&str], colours: bool) -> String {
    let mut text = if before > 0 {
        format!("\x1b[{before}F")
    } else {
        String::new()
    };
    for line in lines {
        if colours {
            text.push_str(line);
        } else {
            text.push_str(&anstream::adapter::strip_str(line).to_string());
        }
        text.push_str("\x1b[K\n");
    }
    text.push_str("\x1b[J");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_drawn_is_replaced_and_nothing_else() {
        assert_eq!(
            redraw(0, &["one", "two"], true),
            "one\x1b[K\ntwo\x1b[K\n\x1b[J"
        );
        assert_eq!(redraw(2, &["one"], true), "\x1b[2Fone\x1b[K\n\x1b[J");
    }

    #[test]
    fn without_colours_the_cursor_still_moves() {
        let line = "\x1b[32mgreen\x1b[0m";
        assert_eq!(redraw(1, &[line], false), "\x1b[1Fgreen\x1b[K\n\x1b[J");
        assert!(redraw(1, &[line], true).contains(line));
    }
}

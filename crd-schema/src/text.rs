//! Bounded texts.

/// The first `max` characters of `text`, with `…` as the last one where something was cut; control characters become
/// spaces, so that the result takes at most four bytes a character in JSON.
pub(crate) fn cut(text: &str, max: usize) -> String {
    let whole = text.chars().nth(max).is_none();
    let kept = if whole { max } else { max.saturating_sub(1) };
    let mut cut: String = text
        .chars()
        .take(kept)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if !whole && max > 0 {
        cut.push('…');
    }
    cut
}

//! Bars, rows and stages, as text with colours.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use crd_schema::Status;
use crd_schema::record::Stage;
use crd_schema::status::Split;
use crd_schema::strategy::Share;

/// Stages of a release that goes well.
const STAGES: [Stage; 5] = [
    Stage::ScaleUp,
    Stage::Validate,
    Stage::Shift,
    Stage::Bake,
    Stage::CleanUp,
];
/// Those of one that Amazon ECS updates in place.
const IN_PLACE: [Stage; 3] = [Stage::ScaleUp, Stage::Bake, Stage::CleanUp];
/// Cells of the traffic bar.
const BAR: usize = 30;
/// Columns of a row before its value.
pub(crate) const VALUE_AT: usize = 12;

/// The styles of blue and green.
pub(crate) fn colours() -> [Style; 2] {
    [AnsiColor::Blue, AnsiColor::Green].map(|colour| Style::new().fg_color(Some(colour.into())))
}

/// A title, and how long it has been so.
pub(crate) fn title(text: &mut String, title: &str, seconds: u64) {
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let _ = write!(
        text,
        "{bold}{title}{bold:#}  {dim}{minutes}:{seconds:02}{dim:#}\n\n"
    );
}

/// A value with its name before it; without a name below the value before.
pub(crate) fn row(text: &mut String, name: &str, value: &str) {
    let dim = Style::new().dimmed();
    let _ = writeln!(text, "  {dim}{name:<9}{dim:#} {value}");
}

/// A long value in as many rows as it needs.
pub(crate) fn rows(text: &mut String, name: &str, value: &str, columns: usize) {
    let width = columns.saturating_sub(VALUE_AT).max(20);
    for (index, line) in wrapped(value, width).iter().enumerate() {
        row(text, if index == 0 { name } else { "" }, line);
    }
}

/// Lines of whole words; a word that is longer than a line stands alone.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let length = word.chars().count();
        let before = lines.last().map_or(0, |line| line.chars().count());
        if before > 0 && before + 1 + length > width {
            lines.push(word.to_owned());
        } else if let Some(line) = lines.last_mut() {
            if before > 0 {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// Blue's part and green's.
pub(crate) fn bar(green: Share) -> String {
    let [blue_style, green_style] = colours();
    let whole = u32::try_from(BAR).unwrap_or_default();
    let filled = usize::try_from(green.get() * whole / Share::ALL.get()).unwrap_or_default();
    // Something is not nothing: a share below a cell still shows.
    let filled = match filled {
        0 if green > Share::default() => 1,
        BAR if green < Share::ALL => BAR - 1,
        filled => filled,
    };
    // Two characters, so that it reads without colours.
    let (old, new) = ("─".repeat(BAR - filled), "━".repeat(filled));
    let blue = green.rest().to_string();
    format!(
        "{blue_style}{blue:>6} {old}{blue_style:#}{green_style}{new} {:>6}{green_style:#}",
        green.to_string()
    )
}

/// The stages that were entered, in order, each with how long it took, among those of a release that goes well. One
/// that nobody saw, before one that was entered, is done all the same.
pub(crate) fn stages(
    text: &mut String,
    rolling: bool,
    (entered, over): (&[(&str, String)], bool),
    columns: usize,
) {
    let expected: &[Stage] = if rolling { &IN_PLACE } else { &STAGES };
    let mut lines: Vec<(usize, String)> = Vec::new();
    for stage in each_stage(expected, entered, over) {
        let width = 2 + anstream::adapter::strip_str(&stage)
            .to_string()
            .chars()
            .count();
        match lines.last_mut() {
            Some((before, line)) if VALUE_AT + *before + width <= columns => {
                *before += width;
                let _ = write!(line, "  {stage}");
            }
            Some(_) | None => lines.push((width - 2, stage)),
        }
    }
    for (index, (_, line)) in lines.iter().enumerate() {
        row(text, if index == 0 { "stages" } else { "" }, line);
    }
}

fn each_stage(expected: &[Stage], entered: &[(&str, String)], over: bool) -> Vec<String> {
    let (done, now, dim) = (
        Style::new().fg_color(Some(AnsiColor::Green.into())),
        Style::new().bold(),
        Style::new().dimmed(),
    );
    let took = |stage: Stage| entered.iter().position(|(name, _)| *name == stage.as_str());
    let furthest = expected.iter().rposition(|stage| took(*stage).is_some());
    let back = [Stage::RollBack]
        .into_iter()
        .filter(|stage| took(*stage).is_some());
    let shown = expected
        .iter()
        .copied()
        .chain(back)
        .enumerate()
        .map(|(index, stage)| {
            let name = stage.as_str();
            match took(stage).map(|at| (at, entered.get(at))) {
                Some((at, Some((_, took)))) if at + 1 < entered.len() || over => {
                    format!("{done}✓ {name} {took}{done:#}")
                }
                Some((_, Some((_, took)))) => format!("{now}▶ {name} {took}{now:#}"),
                Some((_, None)) | None if furthest.is_some_and(|furthest| index < furthest) => {
                    format!("{done}✓ {name}{done:#}")
                }
                Some((_, None)) | None => format!("{dim}{name}{dim:#}"),
            }
        });
    shown.collect()
}

/// Picks the part of the release `version` out of a split. Once the old one is gone, "blue" in the status is what serves.
pub(crate) fn part_of(status: &Status, version: &str) -> impl Fn(Split) -> Share {
    let serves = status
        .serving
        .as_ref()
        .is_some_and(|serving| serving.version == version);
    let is_blue = status.rollout.is_none() && serves;
    move |split| if is_blue { split.blue } else { split.green }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_bar_has_the_same_length_at_every_share() {
        let lengths = (0..=1000).map(|tenths| {
            let bar = plain(&bar(Share::tenths(tenths).unwrap()));
            (bar.chars().count(), bar.matches(['─', '━']).count())
        });
        assert!(lengths.into_iter().all(|length| length == (44, BAR)));
    }

    #[test]
    fn lines_are_as_wide_as_the_terminal_lets_them_be() {
        let text = "no rule may name a group that stands in neither list arn:aws:elasticloadbalancing:eu-west-1";
        for width in [20, 40, 68] {
            let lines = wrapped(text, width);
            assert!(
                lines
                    .iter()
                    .all(|line| line.chars().count() <= width || !line.contains(' ')),
                "{lines:?}"
            );
            assert_eq!(lines.join(" "), text);
        }
        assert_eq!(wrapped("", 20), [""]);
    }

    #[test]
    fn stages_are_done_at_work_or_to_come() {
        let shown = |entered: &[(&str, String)], over, columns| {
            let mut text = String::new();
            stages(&mut text, false, (entered, over), columns);
            plain(&text)
        };
        let entered = [
            ("ScaleUp", "12 s".to_owned()),
            ("RollBack", "3 s".to_owned()),
        ];
        assert_eq!(
            shown(&entered, false, 80),
            "  stages    ✓ ScaleUp 12 s  Validate  Shift  Bake  CleanUp  ▶ RollBack 3 s\n"
        );
        assert!(shown(&entered, true, 80).ends_with("✓ RollBack 3 s\n"));
        let unseen = [("Shift", "1 min 3 s".to_owned())];
        assert_eq!(
            shown(&unseen, false, 50),
            "  stages    ✓ ScaleUp  ✓ Validate\n            ▶ Shift 1 min 3 s  Bake  CleanUp\n"
        );
    }
}

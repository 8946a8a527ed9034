//! With a group for each release: which of the application's groups holds which side.
//!
//! A group of ours says in a tag which side it was made for, and keeps it for life. Two that say the same, or more than
//! two, come from a write that landed late or from a second operator: one holds the side, the others are spares, which
//! the clean-up removes.

use std::cmp::Reverse;

use crd_schema::TargetGroupArn;

use crate::world::Side;

/// A group that carries the application's tags, as far as its place depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// ARN.
    pub arn: TargetGroupArn,
    /// `teal:side`; a group without it takes what is left.
    pub side: Option<Side>,
    /// An ACTIVE service of the application is bound to it.
    pub bound: bool,
    /// The highest weight that a rule of the application gives it.
    pub weight: u32,
}

/// Who holds each side, by [`Side::index`], and who holds none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// By [`Side::index`].
    pub holders: [Option<TargetGroupArn>; 2],
    /// Those for whom no side is left.
    pub spares: Vec<TargetGroupArn>,
}

/// Gives each side to one group. Of several that say the same side, the one that a service is bound to and that has
/// most weight holds it. `template` is the template while a rule of the application names it: it stands where a group
/// of ours is missing.
pub fn places(mut claims: Vec<Claim>, template: Option<TargetGroupArn>) -> Places {
    claims.sort_by_key(|claim| {
        let Claim {
            arn,
            side,
            bound,
            weight,
        } = claim;
        (
            side.is_none(),
            Reverse(*bound),
            Reverse(*weight),
            arn.clone(),
        )
    });
    let mut places = Places::default();
    for claim in claims {
        let wanted = claim.side.map_or(Side::BOTH.to_vec(), |side| vec![side]);
        places.take(wanted, claim.arn);
    }
    if let Some(template) = template {
        places.take(Side::BOTH.to_vec(), template);
    }
    places
}

impl Places {
    fn take(&mut self, wanted: Vec<Side>, arn: TargetGroupArn) {
        let free = wanted
            .into_iter()
            .find(|side| self.holders[side.index()].is_none());
        match free {
            Some(side) => self.holders[side.index()] = Some(arn),
            None => self.spares.push(arn),
        }
    }

    /// The side that a group holds.
    pub fn side(&self, arn: &str) -> Option<Side> {
        Side::BOTH.into_iter().find(|side| {
            self.holders[side.index()]
                .as_ref()
                .is_some_and(|holder| holder.as_str() == arn)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(arn: &str, side: Option<Side>, bound: bool, weight: u32) -> Claim {
        Claim {
            arn: TargetGroupArn::new(arn),
            side,
            bound,
            weight,
        }
    }

    fn shown(claims: &[Claim], template: Option<&str>) -> (Vec<String>, Vec<String>) {
        let text = |arn: &TargetGroupArn| arn.as_str().to_owned();
        let mut results = claims.iter().enumerate().map(|(start, _)| {
            let mut claims = claims.to_vec();
            claims.rotate_left(start);
            let Places { holders, spares } = places(claims, template.map(TargetGroupArn::new));
            let holders = holders
                .iter()
                .map(|holder| holder.as_ref().map_or("-".to_owned(), text));
            (
                holders.collect::<Vec<_>>(),
                spares.iter().map(text).collect::<Vec<_>>(),
            )
        });
        let first = results.next().unwrap_or_default();
        assert!(
            results.all(|other| other == first),
            "the order of the list matters"
        );
        first
    }

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn each_keeps_the_side_that_it_was_made_for() {
        let one = claim("one", Some(Side::B), true, 100);
        let two = claim("two", Some(Side::A), false, 0);
        assert_eq!(
            shown(&[one.clone(), two.clone()], None),
            (texts(&["two", "one"]), texts(&[]))
        );
        assert_eq!(
            shown(std::slice::from_ref(&one), None),
            (texts(&["-", "one"]), texts(&[]))
        );
        assert_eq!(
            shown(std::slice::from_ref(&one), Some("template")),
            (texts(&["template", "one"]), texts(&[]))
        );
        assert_eq!(
            shown(&[one, two], Some("template")),
            (texts(&["two", "one"]), texts(&["template"]))
        );
    }

    #[test]
    fn of_two_that_say_the_same_the_one_that_serves_holds_it() {
        let bound = claim("bound", Some(Side::A), true, 0);
        let weighted = claim("weighted", Some(Side::A), false, 100);
        let late = claim("a-late", Some(Side::A), false, 0);
        let adopted = claim("adopted", None, false, 0);
        assert_eq!(
            shown(&[late.clone(), bound.clone(), weighted.clone()], None),
            (texts(&["bound", "-"]), texts(&["weighted", "a-late"]))
        );
        assert_eq!(
            shown(&[late, weighted, adopted], None),
            (texts(&["weighted", "adopted"]), texts(&["a-late"]))
        );
    }

    #[test]
    fn a_group_is_on_the_side_that_it_holds() {
        let one = claim("one", Some(Side::B), true, 100);
        let late = claim("a-late", Some(Side::B), false, 0);
        let template = TargetGroupArn::new("template");
        let places = places(vec![one, late], Some(template));
        assert_eq!(places.side("one"), Some(Side::B));
        assert_eq!(places.side("template"), Some(Side::A));
        assert_eq!(places.side("a-late"), None);
        assert_eq!(places.side("of-others"), None);
    }
}

//! When a release may begin, and get more traffic.

use crd_schema::strategy::Share;
use planner::lab::required;

use super::*;

/// How old what an alarm or an analysis said may be, in milliseconds: twice the longest interval.
const HEARD: u64 = 50_000;

impl Judge {
    /// No release begins in a freeze; what served last is no new one.
    pub(crate) fn begins(&self, lab: &Lab, write: &Write) -> Result<(), Violation> {
        let schedule = lab.application.schedule.as_ref();
        let frozen = schedule.and_then(|schedule| schedule.frozen(lab.wall(lab.now)));
        let (Write::RegisterTaskDefinition { body, .. }
        | Write::CreateTargetGroup { body, .. }
        | Write::CreateService { body, .. }) = write
        else {
            return Ok(());
        };
        let wish = lab.desired.as_ref().map(|(generation, _)| *generation);
        let completed = self.completed.as_ref().map(|(_, digest)| digest.clone());
        let begins = generation(body) == wish && tag(body, TAG_RELEASE) != completed;
        if frozen.is_some() && begins && self.acts(Act::Clock) == 0 {
            return violation("Freeze", format!("{} in a freeze", write.describe()));
        }
        Ok(())
    }

    /// S17: no more traffic goes to the release that is wished for than the gates that it has passed allow, nor any while
    /// an alarm or an analysis speaks against it, while the other service could carry it.
    pub(super) fn untested(
        &self,
        lab: &Lab,
        services: &[Service],
        weights: &Weights,
        side: Side,
        issue: &Issue,
    ) -> Result<(), Violation> {
        let wish = lab.desired.as_ref().map(|(_, desired)| &desired.version);
        let live = |s: &&Service| s.status == ServiceStatus::Active;
        let mut on = services
            .iter()
            .filter(live)
            .filter(|s| s.side == Some(side));
        let Some(green) = on.find(|s| s.tags.version.as_ref() == wish) else {
            return Ok(());
        };
        // What completed, or is gone back to, has passed before.
        let completed = self.completed.as_ref().map(|(_, digest)| digest);
        let name = Some(&green.name);
        let goes_back = services.iter().any(|s| s.tags.blue.as_ref() == name);
        let mut others = services.iter().filter(live);
        // And it did when the write was sent: repair waits for nobody.
        let lived = !issue.dead[side.other().index()] && lab.healthy(side.other()) > 0;
        let carries = others.any(|s| s.side == Some(side.other())) && lived;
        let acted = [Act::Services, Act::Weights, Act::Wish];
        let was_ill = issue.unseen_since().saturating_sub(ILLNESS);
        let full = lab.intents.promote.is_some_and(|asked| asked.full);
        if green.tags.release.as_ref() == completed
            || goes_back
            || !carries
            || full
            || self.acted_since(issue.unseen_since(), &acted)
            || self.acted_since(was_ill, &[Act::Health])
        {
            return Ok(());
        }
        let version = green.tags.version.clone().unwrap_or_default();
        let busy_since = self.busy_since[side.index()];
        let told = |(test, since, until): &(Test, u64, u64)| {
            // What nobody uses is not measured.
            let heard = match test {
                Test::Analysis => busy_since.map(|busy| busy.max(*since)),
                Test::Alarm | Test::Gates => Some(*since),
            };
            heard.is_some_and(|heard| heard + HEARD <= issue.seen) && issue.sent <= *until
        };
        if self.against.iter().any(told) {
            let message =
                format!("{version} gets more traffic, and what is watched speaks against it");
            return violation("S17", message);
        }
        let sum = weights.get().into_iter().flatten().sum();
        let share = Share::of(weights.get()[side.index()].unwrap_or(0), sum);
        let mut required = required(&lab.application, share);
        let missing = required.find(|place| {
            let passed = (version.clone(), place.clone());
            !self.passed.contains(&passed)
        });
        match missing {
            Some(place) => violation(
                "S17",
                format!("{version} gets more traffic and has not passed {place}"),
            ),
            None => Ok(()),
        }
    }
}

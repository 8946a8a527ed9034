//! Rules that a test can switch off, to see that what they prevent is found when they do not prevent it.
//!
//! A harness that finds nothing with a rule switched off is broken, or the rule is not needed. Without the feature
//! `lab` nothing can be switched off. Bounds that are durations are switched off by setting them in
//! [`Tuning`](crate::Tuning).

/// A fence, a guard or a rule of the planner. Switched off, it …
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// … looks at an abort only where nothing else is to be done.
    AbortFirst,
    /// … writes without the right to write outliving the write (executor).
    Authority,
    /// … removes a superseded release before its traffic has gone back (the planner).
    BackFirst,
    /// … trusts reads of ECS that lack an own write.
    BarrierEcs,
    /// … trusts reads of the load balancer that lack an own write.
    BarrierElb,
    /// … shifts traffic, and bakes, below full capacity (the planner; the guard still counts).
    Capacity,
    /// … leaves the count of what should serve as it is.
    CountFollows,
    /// … lets every stage take for ever.
    Deadlines,
    /// … deletes a target group that rules still name; the server refuses.
    DereferenceFirst,
    /// … scales down at weight 0 without settling (the planner).
    DrainTimer,
    /// … deletes a service whose tasks still stop and whose targets still drain (the planner).
    DrainWait,
    /// … creates a service beside others' weight, on a group that has weight or leftovers.
    EmptyGroupFirst,
    /// … does not re-create the last good release.
    FallBack,
    /// … holds a release while what serves is dead.
    FixTheDead,
    /// … begins releases in a freeze.
    Freeze,
    /// … takes health readings for evidence however long ago the first of them was.
    FreshReadings,
    /// … goes on without its gates (the planner).
    Gates,
    /// … keeps blue for its time although a newer release waits.
    GiveWay,
    /// … sends every planned write, whatever the safety properties say.
    Guard,
    /// … keeps health readings from before an own ECS write.
    HealthAfterWrite,
    /// … keeps health readings of a group from before none but other rules name it.
    HealthByOtherRules,
    /// … creates where most weight is, whoever lives there (the planner).
    IdleSide,
    /// … forgets the wish while it cannot be read.
    KnownWish,
    /// … creates, and gives weight, although an earlier write of unknown outcome may still create another or take away.
    LateLanding,
    /// … takes the spec's count for what serves now.
    LiveCount,
    /// … takes for granted, from the bake on, that the weights are as they were written.
    LiveWeights,
    /// … sends on the plan's view, whatever reading again what the write touches has shown (executor).
    LookAgain,
    /// … takes a bake whose start is not known for one that is over.
    MissingTimer,
    /// … names a service alike for every wish for the same release.
    NameOfTheWish,
    /// … names a service after its release and generation alone.
    NewName,
    /// … takes a desired value older than one that was seen.
    NewestDesired,
    /// … takes an old answer after somebody's change of weights for one more change.
    OldWeights,
    /// … counts every healthy target of a group, whoever it belongs to.
    OwnTasks,
    /// … lets a dead group keep its traffic while another one is alive.
    PanicRepair,
    /// … asks again for what a gate has passed already (the planner).
    PassedOnce,
    /// … starts with the write whose meaning the record should tell first.
    RecordFirst,
    /// … never gives a group that no rule names the weight 0 that ECS asks for.
    ReferenceFirst,
    /// … takes any rejection for one of the present wish.
    RejectOne,
    /// … updates a service again that ECS has taken back by itself (the planner).
    TakenBack,
    /// … moves traffic off a dead release without rejecting it.
    RejectTheDead,
    /// … does not look for a rejection in the record.
    RejectionRecord,
    /// … neither puts a rejection on what serves nor looks for it there.
    RejectionTag,
    /// … counts the time at weight 0 on although an own write raises it.
    RestartOnRaise,
    /// … leaves a service scaled to zero under traffic.
    Revive,
    /// … gives a service another name with every plan.
    SameName,
    /// … moves traffic although what it leaves may be scaled in (the planner).
    ScaleInWaits,
    /// … leaves autoscaling where it is (the planner).
    ScalingMoves,
    /// … plans at once after a start or a takeover.
    StartWait,
    /// … moves weights of rules that keep users on a group by a cookie.
    Stickiness,
    /// … ignores a second service on the aim's group.
    Strays,
    /// … creates the newest release although two others live.
    SupersedeFirst,
    /// … puts a count right before traffic goes back.
    TrafficFirst,
    /// … tells what happens although another operator leads (the loop).
    ToldByTheLeader,
    /// … takes one health reading for evidence.
    TwoReadings,
    /// … overlooks rules that name a group and do not stand in the spec (the planner).
    UnlistedRules,
    /// … takes rules that could not be read for rules without weight.
    UnreadRules,
    /// … stops a worker while nobody works in its place (the planner).
    WorkerCover,
    /// … goes on whatever alarms and analyses say (the planner).
    Watches,
    /// … removes what failed before the tests at roll-back have ended (the planner).
    UndoneFirst,
    /// … goes back to what served as if it were released anew.
    WayBack,
    /// … leaves a rule whose weights are all zero.
    WeightlessRepair,
}

/// Rules that are switched off.
#[cfg(feature = "lab")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Without(u64);

#[cfg(feature = "lab")]
impl Without {
    /// These and no others.
    pub fn rules(rules: &[Rule]) -> Self {
        Self(rules.iter().fold(0, |set, rule| set | 1 << *rule as u64))
    }

    /// This rule is switched off.
    pub fn contains(self, rule: Rule) -> bool {
        self.0 & 1 << rule as u64 != 0
    }
}

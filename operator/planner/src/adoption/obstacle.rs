//! Why a service cannot be adopted as it is, and what to do about it.

/// Each says what is in the way, and after the colon how it goes out of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Something that decides could not be read.
    #[error("{what}: nothing is written before everything was read")]
    Unread {
        /// What, and why.
        what: String,
    },
    /// Somebody else's deployments replace its tasks.
    #[error(
        "service {name} has the deployment controller {controller}, which moves its traffic itself: stop what deploys it, then let Amazon ECS update it (`{way}`, which starts its tasks anew, a few at a time) or create a service of the same task definition beside it, on the idle group, and adopt that one"
    )]
    Controller {
        /// The service.
        name: String,
        /// `CODE_DEPLOY` or `EXTERNAL`.
        controller: String,
        /// A command that changes it in place.
        way: String,
    },
    /// Amazon ECS moves its traffic.
    #[error(
        "service {name} has the deployment strategy {strategy}, by which Amazon ECS moves its traffic itself: `{way}` changes that, and starts its tasks anew, a few at a time"
    )]
    Strategy {
        /// The service.
        name: String,
        /// `BLUE_GREEN`, `LINEAR` or `CANARY`.
        strategy: String,
        /// A command that changes it in place.
        way: String,
    },
    /// One task an instance.
    #[error(
        "service {name} has the scheduling strategy {scheduling}: Teal releases services of the strategy REPLICA; create one beside it, and adopt that"
    )]
    Scheduling {
        /// The service.
        name: String,
        /// `DAEMON`.
        scheduling: String,
    },
    /// Its tasks get traffic that no weight moves.
    #[error(
        "service {name} has {members}, which bring its tasks traffic past the load balancer, where no weight moves it: let its callers use the load balancer, and update the service without them"
    )]
    PastTheBalancer {
        /// The service.
        name: String,
        /// The members of the service.
        members: String,
    },
    /// No `loadBalancers`.
    #[error(
        "service {name} has no load balancer: it is not behind the target groups of `traffic`, and there is nothing to move"
    )]
    NoBalancer {
        /// The service.
        name: String,
    },
    /// The spec has `worker` instead of `traffic`.
    #[error(
        "{application} has `worker` instead of `traffic`, and only a service behind a load balancer is adopted so: two tags make a worker the first blue (aws ecs tag-resource --resource-arn <its ARN> --tags key=teal:managed-by,value=teal key=teal:application,value={application})"
    )]
    Worker {
        /// The application.
        application: String,
    },
    /// A Classic Load Balancer.
    #[error(
        "service {name} is behind a Classic Load Balancer, which has no weights: move it to an Application Load Balancer first"
    )]
    ClassicBalancer {
        /// The service.
        name: String,
    },
    /// A deployment is on its way.
    #[error(
        "service {name} is being deployed now: wait until that is over (aws ecs wait services-stable --cluster {cluster} --services {name})"
    )]
    Deploying {
        /// The service.
        name: String,
        /// Its cluster.
        cluster: String,
    },
    /// The spec has a group for each release.
    #[error(
        "the spec has `targetGroups.perRelease`, with which service {name} needs no adoption: it keeps the traffic of the template until the first release has all its healthy targets, and is yours to delete afterwards"
    )]
    PerRelease {
        /// The service.
        name: String,
    },
    /// It is bound to a group that the spec does not name.
    #[error(
        "service {name} is bound to {group}, which the spec does not name: write that group in `targetGroups`, or name the service that is bound to one of the spec's"
    )]
    OtherGroup {
        /// The service.
        name: String,
        /// Its group.
        group: String,
    },
    /// The spec's route is another one.
    #[error(
        "service {name} takes traffic at {bound}, and the spec's route is {route}: correct `container` and `port` in the spec"
    )]
    OtherPort {
        /// The service.
        name: String,
        /// Container and port of the service.
        bound: String,
        /// Container and port of the spec.
        route: String,
    },
    /// A route of the spec has no group of the service.
    #[error(
        "service {name} is bound to no target group of the route {route}: bind it to {groups} too (`aws ecs update-service --load-balancers …` with all of its groups, which starts its tasks anew, a few at a time), or take that route out of the spec"
    )]
    Unbound {
        /// The service.
        name: String,
        /// Container and port of the route.
        route: String,
        /// The groups that it could be bound to.
        groups: String,
    },
    /// Two of its groups are one route's.
    #[error(
        "service {name} is bound to {group} too, and has a group of the route {route} already: take one of them out of its `loadBalancers`, since the next release needs an idle group there"
    )]
    BoundTwice {
        /// The service.
        name: String,
        /// The other group.
        group: String,
        /// Container and port of the route.
        route: String,
    },
    /// First of one route's pair, second of another one's.
    #[error(
        "service {name} is bound to {first}, the first of its pair, and to {second}, the second of its own: a release stands on the same side of every route, so change the order of one pair in the spec"
    )]
    BothSides {
        /// The service.
        name: String,
        /// Its group that is the first of a pair.
        first: String,
        /// Its group that is the second of a pair.
        second: String,
    },
    /// Its tags name another application.
    #[error(
        "service {name} belongs to the application {owner}: adopt it there, or take its teal: tags off first (aws ecs untag-resource)"
    )]
    OfAnother {
        /// The service.
        name: String,
        /// The application that owns it.
        owner: String,
    },
    /// The application has a service.
    #[error(
        "service {name} is of this application already: only what has no service can adopt one"
    )]
    HasOne {
        /// The other service.
        name: String,
    },
    /// Another service that is nobody's, on one of the groups.
    #[error(
        "service {name} is bound to one of the pair's groups too: delete it, or bind it to another group"
    )]
    Neighbour {
        /// The other service.
        name: String,
    },
    /// A release is on its way.
    #[error(
        "a release of {version} is on its way (stage {stage}): wait until it is over, or end it with `teal abort {application}`"
    )]
    OnItsWay {
        /// Its version.
        version: String,
        /// Where it is.
        stage: String,
        /// The application.
        application: String,
    },
    /// It does not serve as it should.
    #[error(
        "service {name} is not well: {desired} tasks are wanted, {running} run, {healthy} of its targets are healthy{trouble}: what is adopted is what users are sent back to, so mend it first"
    )]
    Unwell {
        /// The service.
        name: String,
        /// `desiredCount`.
        desired: u32,
        /// `runningCount`.
        running: u32,
        /// Healthy targets of its tasks.
        healthy: u32,
        /// Why, as AWS tells it.
        trouble: String,
    },
    /// A production rule gives weight to the other group.
    #[error(
        "production rule {rule} does not give everything to the group of service {name}: give it all the weight there first"
    )]
    TrafficElsewhere {
        /// The service.
        name: String,
        /// The rule.
        rule: String,
    },
    /// Its images do not tell one version.
    #[error(
        "which version service {name} runs cannot be told from its images ({images}): say it with --version, as `teal release` takes it"
    )]
    VersionUnknown {
        /// The service.
        name: String,
        /// Container and image, for people.
        images: String,
    },
    /// What it runs is not what the spec would make of that version.
    #[error(
        "container {container} of service {name} runs {runs}, and version {version} would be {would}: say what it runs with --version (`{{\"version\": …, \"images\": …}}` where it has a digest), or correct `template.images` in the spec"
    )]
    OtherImage {
        /// The service.
        name: String,
        /// The container.
        container: String,
        /// Its image.
        runs: String,
        /// The version that it was held against.
        version: String,
        /// The image that this version has.
        would: String,
    },
    /// A version that no release can have.
    #[error("{reason}: say what it runs with --version")]
    Version {
        /// What is wrong with it.
        reason: String,
    },
    /// It was adopted as something else.
    #[error(
        "service {name} is of this application already, as version {is}, not {asked}: what it runs is not changed by a name; `teal release` releases another version"
    )]
    OtherVersion {
        /// The service.
        name: String,
        /// What its tag says.
        is: String,
        /// What was asked for.
        asked: String,
    },
    /// With the tags, an operator would not be at rest.
    #[error("once it is adopted, an operator would wait for {message}")]
    WouldWait {
        /// What for, with what to do about it.
        message: String,
    },
}

//! What speaks against adopting a service, read from AWS's own JSON: also of services that the emulator does not have.
//! And what follows, of one that can be adopted.

#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use crd_schema::application::Route;
use crd_schema::desired::Desired;
use crd_schema::record::{Generation, Record, Release, Rollout, Stage};
use crd_schema::{Application, TargetGroupArn};
use planner::adoption::{Adoption, Binding, Candidate, Follows, Obstacle, adoption};
use planner::lab::{Lab, application, desired, per_release, two_routes, worker};
use planner::release::{TAG_APPLICATION, TAG_GENERATION, show};
use planner::world::{
    Action, DesiredParameter, Read, Revision, Service, ServiceStatus, Side, Tags, TargetState,
};
use planner::{Mono, Now, World};
use serde_json::{Map, Value, json};

const GROUP: &str =
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/blog-a/0000000000000001";

/// A service as DescribeServices tells it, with changes.
fn service(change: impl Fn(&mut Value)) -> Map<String, Value> {
    let mut service = json!({
        "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/prod/blog", "serviceName": "blog", "status": "ACTIVE",
        "createdAt": 1_785_542_400.123, "desiredCount": 2, "runningCount": 2, "pendingCount": 0,
        "schedulingStrategy": "REPLICA", "deploymentController": {"type": "ECS"},
        "deploymentConfiguration": {"strategy": "ROLLING"},
        "taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/blog:41",
        "loadBalancers": [{"targetGroupArn": GROUP, "containerName": "web", "containerPort": 8080}],
        "deployments": [{"status": "PRIMARY", "rolloutState": "COMPLETED"}],
        "tags": [{"key": "team", "value": "web"}],
    });
    change(&mut service);
    service.as_object().unwrap().clone()
}

fn candidate(change: impl Fn(&mut Value)) -> Candidate {
    let definition = json!({"containerDefinitions": [{"name": "web", "image": "blog:1.3.0"}]});
    Candidate::read(&service(change), definition.as_object().unwrap()).unwrap()
}

/// The only obstacle.
fn obstacle(change: impl Fn(&mut Value)) -> String {
    let obstacles = candidate(change).obstacles("prod");
    assert_eq!(obstacles.len(), 1, "{obstacles:?}");
    obstacles[0].to_string()
}

#[test]
fn nothing_speaks_against_a_plain_service() {
    let plain = candidate(|_| ());
    assert_eq!(plain.obstacles("prod"), []);
    assert_eq!(plain.created.as_millisecond(), 1_785_542_400_123);
    assert!(plain.task_definition.ends_with(":task-definition/blog:41"));
    assert_eq!(plain.images["web"], "blog:1.3.0");
    assert_eq!(plain.tags["team"], "web");
    // A client of Service Connect offers nothing.
    let connect = json!({"enabled": true, "namespace": "prod"});
    let client = candidate(|service| {
        service["deployments"][0]["serviceConnectConfiguration"] = connect.clone();
    });
    assert_eq!(client.obstacles("prod"), []);
}

#[test]
fn each_obstacle_says_the_way_out() {
    for controller in ["CODE_DEPLOY", "EXTERNAL"] {
        // Such a service has its task definition and its group in its task sets.
        let told = obstacle(|service| {
            let members = service.as_object_mut().unwrap();
            members.remove("deployments");
            let bound = members.remove("loadBalancers").unwrap();
            let definition = members.remove("taskDefinition").unwrap();
            let set =
                json!({"status": "PRIMARY", "taskDefinition": definition, "loadBalancers": bound});
            service["taskSets"] = json!([set]);
            service["deploymentController"]["type"] = json!(controller);
        });
        assert!(told.contains(controller), "{told}");
        let way = format!(
            "aws ecs update-service --cluster prod --service blog --deployment-controller type=ECS --deployment-configuration strategy=ROLLING,maximumPercent=200,minimumHealthyPercent=100 --load-balancers targetGroupArn={GROUP},containerName=web,containerPort=8080"
        );
        assert!(told.contains(&way), "{told}");
    }
    for strategy in ["BLUE_GREEN", "LINEAR", "CANARY"] {
        let told =
            obstacle(|service| service["deploymentConfiguration"]["strategy"] = json!(strategy));
        assert!(
            told.contains(strategy) && told.contains("strategy=ROLLING"),
            "{told}"
        );
        assert!(!told.contains("--deployment-controller"), "{told}");
    }
    let registries =
        json!([{"registryArn": "arn:aws:servicediscovery:eu-west-1:123456789012:service/srv-1"}]);
    let told = obstacle(|service| service["serviceRegistries"] = registries.clone());
    assert!(
        told.contains("serviceRegistries") && told.contains("past the load balancer"),
        "{told}"
    );
    let told = obstacle(|service| {
        service["deployments"][0]["serviceConnectConfiguration"] =
            json!({"enabled": true, "services": [{"portName": "http"}]});
    });
    assert!(
        told.contains("serviceConnectConfiguration.services"),
        "{told}"
    );
    let told = obstacle(|service| service["schedulingStrategy"] = json!("DAEMON"));
    assert!(
        told.contains("DAEMON") && told.contains("REPLICA"),
        "{told}"
    );
    let told = obstacle(|service| service["loadBalancers"] = json!([]));
    assert!(told.contains("no load balancer"), "{told}");
    let classic =
        json!([{"loadBalancerName": "old", "containerName": "web", "containerPort": 8080}]);
    let told = obstacle(|service| service["loadBalancers"] = classic.clone());
    assert!(told.contains("Classic Load Balancer"), "{told}");
    // Of several groups the way names all.
    let told = obstacle(|service| {
        let office = json!({"targetGroupArn": "tg-office", "containerName": "office", "containerPort": 9000});
        service["loadBalancers"]
            .as_array_mut()
            .unwrap()
            .push(office);
        service["deploymentConfiguration"]["strategy"] = json!("CANARY");
    });
    let way = format!(
        " --load-balancers targetGroupArn={GROUP},containerName=web,containerPort=8080 targetGroupArn=tg-office,containerName=office,containerPort=9000`"
    );
    assert!(told.contains(&way), "{told}");
    for deployments in [
        json!([{"status": "PRIMARY", "rolloutState": "IN_PROGRESS"}]),
        json!([{"status": "PRIMARY", "rolloutState": "FAILED"}]),
        json!([{"status": "PRIMARY", "rolloutState": "COMPLETED"}, {"status": "ACTIVE", "rolloutState": "COMPLETED"}]),
    ] {
        let told = obstacle(|service| service["deployments"] = deployments.clone());
        assert!(
            told.contains("aws ecs wait services-stable --cluster prod --services blog"),
            "{told}"
        );
    }
}

#[test]
fn all_that_speaks_against_it_is_told_at_once() {
    let worst = candidate(|service| {
        service["schedulingStrategy"] = json!("DAEMON");
        service["loadBalancers"] = json!([]);
        service["deployments"] = json!([]);
        service["vpcLatticeConfigurations"] = json!([{"portName": "http"}]);
    });
    let found = worst.obstacles("prod");
    let expected = [
        matches!(found.first(), Some(Obstacle::Scheduling { .. })),
        matches!(found.get(1), Some(Obstacle::PastTheBalancer { .. })),
        matches!(found.get(2), Some(Obstacle::NoBalancer { .. })),
        matches!(found.get(3), Some(Obstacle::Deploying { .. })),
    ];
    assert_eq!((expected, found.len()), ([true; 4], 4), "{found:?}");
}

#[test]
fn a_worker_is_not_adopted_and_it_is_said_what_makes_it_blue() {
    let lab = Lab::new(worker());
    let service = candidate(|service| service["loadBalancers"] = json!([]));
    let world = lab.observe();
    let found = adoption(&lab.application, &world, &service, None, lab.clock()).unwrap_err();
    let application = lab.application.name.to_string();
    assert!(
        found[0]
            .to_string()
            .contains(&format!("value={application})")),
        "{found:?}"
    );
    assert_eq!(found, [Obstacle::Worker { application }]);
}

#[test]
fn half_an_answer_is_none() {
    for member in [
        "serviceName",
        "serviceArn",
        "createdAt",
        "desiredCount",
        "runningCount",
    ] {
        let mut service = service(|_| ());
        service.remove(member);
        assert_eq!(Candidate::read(&service, &Map::new()), None, "{member}");
    }
}

/// 1.3.0 serves on A with two healthy tasks, made by somebody else.
struct Found {
    lab: Lab,
    candidate: Candidate,
    /// What a person says that it runs.
    asked: Option<Desired>,
}

fn found() -> Found {
    found_on(Side::A)
}

fn found_on(side: Side) -> Found {
    found_in(application(), side)
}

fn found_in(application: Application, side: Side) -> Found {
    let mut lab = Lab::new(application);
    lab.advance(100_000);
    let name = lab.place("1.3.0", side, 2, 0);
    lab.set_production(if side == Side::A {
        [Some(100), Some(0)]
    } else {
        [Some(0), Some(100)]
    });
    lab.services[0].shown.tags = Tags::default();
    let of_route = |route: &Route| {
        let group = route.groups.for_life()[side.index()];
        json!({"targetGroupArn": group, "containerName": route.container, "containerPort": route.port})
    };
    let bound: Vec<Value> = lab.application.routes.iter().map(of_route).collect();
    let candidate = candidate(|service| {
        service["serviceName"] = json!(name);
        service["loadBalancers"] = json!(bound);
    });
    Found {
        lab,
        candidate: runs(candidate, "repo/blog:1.3.0"),
        asked: None,
    }
}

fn runs(candidate: Candidate, image: &str) -> Candidate {
    let images = [("web".to_owned(), image.to_owned())].into();
    Candidate {
        images,
        ..candidate
    }
}

impl Found {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn adopted_on(&self, world: &World) -> Result<Adoption, Vec<Obstacle>> {
        let application = &self.lab.application;
        // Who looks once has no writes of an earlier self to wait for.
        let now = Now {
            mono: Mono(5_000),
            ..self.lab.clock()
        };
        adoption(
            application,
            world,
            &self.candidate,
            self.asked.as_ref(),
            now,
        )
    }

    fn adopted(&self) -> Adoption {
        self.adopted_on(&self.lab.observe()).unwrap()
    }

    /// The names of all obstacles.
    fn obstacles(&self) -> Vec<String> {
        names(self.adopted_on(&self.lab.observe()))
    }
}

fn names(adopted: Result<Adoption, Vec<Obstacle>>) -> Vec<String> {
    let found = adopted.unwrap_err();
    let told = found.iter().map(|obstacle| format!("{obstacle:?}"));
    told.map(|told| told.split(' ').next().unwrap().to_owned())
        .collect()
}

#[test]
fn a_service_that_serves_alone_is_adopted_as_what_it_runs() {
    for side in Side::BOTH {
        let adopted = found_on(side).adopted();
        assert_eq!(adopted.side, side);
        assert_eq!(adopted.release, desired("1.3.0"));
        assert!(!adopted.already);
        assert_eq!(adopted.follows, Follows::NeedsWish);
        assert_eq!(adopted.tags.len(), 6);
        let runs = &adopted.tags["teal:task-definition"];
        assert!(runs.starts_with("arn:"), "{runs}");
        assert_eq!(adopted.tags["teal:managed-by"], "teal");
        assert_eq!(adopted.tags[TAG_APPLICATION], "blog");
        assert_eq!(adopted.tags["teal:version"], "1.3.0");
    }
}

/// A generation that no write of a parameter has, unless the desired value says the very same.
#[test]
fn what_follows_is_what_the_desired_value_says() {
    let older = |found: &Found| Generation {
        date: found.candidate.created.as_millisecond(),
        version: 0,
    };
    let of_the_wish = |found: &Found| found.lab.desired.as_ref().unwrap().0;
    let tag = |found: &Found, generation: Generation| {
        let tags = found.adopted().tags;
        assert_eq!(tags[TAG_GENERATION], show(generation));
    };
    let same = found().with(|found| found.lab.wish("1.3.0"));
    assert_eq!(same.adopted().follows, Follows::Serves);
    tag(&same, of_the_wish(&same));
    let same = same.with(|found| found.asked = Some(desired("1.3.0")));
    assert_eq!(same.adopted().follows, Follows::Serves);
    tag(&same, of_the_wish(&same));
    let again = same.with(|found| {
        let (_, wish) = found.lab.desired.as_mut().unwrap();
        wish.id = Some("again".to_owned());
    });
    tag(&again, older(&again));
    let newer = found().with(|found| found.lab.wish("1.4.0"));
    tag(&newer, older(&newer));
    let releases = |held: Option<String>| Follows::Releases {
        version: "1.4.0".to_owned(),
        held,
    };
    assert_eq!(newer.adopted().follows, releases(None));
    let paused = newer.with(|found| found.lab.intents.paused = true);
    let Follows::Releases {
        held: Some(held), ..
    } = paused.adopted().follows
    else {
        panic!("{:?}", paused.adopted())
    };
    assert!(held.contains("teal resume"), "{held}");
    let bad = found().with(|found| found.lab.wish("1.4.0+1"));
    assert!(matches!(
        bad.adopted().follows,
        Follows::WishUnusable { .. }
    ));
    let mut world = found().lab.observe();
    world.desired = Read::known(
        DesiredParameter::Invalid {
            generation: older(&bad),
            reason: "no JSON".to_owned(),
        },
        bad.lab.clock().mono,
    );
    let reason = "no JSON".to_owned();
    assert_eq!(
        found().adopted_on(&world).unwrap().follows,
        Follows::WishUnusable { reason }
    );
}

/// Tagged as the operator tags what it makes.
fn tagged(shown: &mut Service, version: &str) {
    shown.tags = Tags {
        ours: true,
        release: Some("d".repeat(16)),
        version: Some(version.to_owned()),
        generation: Some(Generation {
            date: 5,
            version: 2,
        }),
        ..Tags::default()
    };
}

#[test]
fn what_is_ours_already_is_told_as_what_it_is() {
    let ours = || found().with(|found| tagged(&mut found.lab.services[0].shown, "1.3.0"));
    let adopted = ours().adopted();
    assert!(adopted.already);
    assert_eq!((adopted.side, adopted.release), (Side::A, desired("1.3.0")));
    let generation = Generation {
        date: 5,
        version: 2,
    };
    assert_eq!(adopted.tags[TAG_GENERATION], show(generation));
    let asked = |version: &str| ours().with(|found| found.asked = Some(desired(version)));
    assert!(asked("1.3.0").adopted().already);
    assert_eq!(asked("1.4.0").obstacles(), ["OtherVersion"]);
    let wished = ours().with(|found| found.lab.wish("1.4.0"));
    assert!(matches!(
        wished.adopted().follows,
        Follows::Releases { held: None, .. }
    ));
    // By hand, with the two tags only: the others are added.
    let by_hand = ours().with(|found| found.lab.services[0].shown.tags.release = None);
    assert!(!by_hand.adopted().already);
    // One that is being deleted serves nobody any more.
    let leaves = ours().with(|found| found.lab.services[0].shown.status = ServiceStatus::Draining);
    assert_ne!(
        leaves.adopted_on(&leaves.lab.observe()).map(|a| a.already),
        Ok(true)
    );
}

#[test]
fn nothing_is_adopted_beside_another_one_or_of_another_application() {
    let owner = |name: &str| {
        let name = name.to_owned();
        found().with(|found| {
            drop(
                found
                    .candidate
                    .tags
                    .insert(TAG_APPLICATION.to_owned(), name),
            )
        })
    };
    assert!(!owner("blog").adopted().already);
    assert_eq!(owner("shop").obstacles(), ["OfAnother"]);
    let beside = |change: fn(&mut Service)| {
        found().with(|found| {
            found.lab.place("1.2.0", Side::B, 2, 0);
            change(&mut found.lab.services[1].shown);
        })
    };
    assert_eq!(beside(|_| ()).obstacles(), ["HasOne"]);
    assert_eq!(
        beside(|other| other.tags = Tags::default()).obstacles(),
        ["Neighbour"]
    );
    let mut away = beside(|_| ()).lab.services[1].shown.clone();
    away.tags = Tags::default();
    away.side = None;
    let harmless = |other: Service| {
        let found = found();
        let mut world = found.lab.observe();
        if let Read::Known { value, .. } = &mut world.services {
            value.push(other);
        }
        found.adopted_on(&world).unwrap()
    };
    harmless(away.clone());
    tagged(&mut away, "1.2.0");
    away.side = Some(Side::B);
    away.status = ServiceStatus::Inactive;
    harmless(away);
}

#[test]
fn nothing_is_adopted_during_a_release() {
    let busy = found().with(|found| {
        let generation = Generation {
            date: 1,
            version: 1,
        };
        let rollout = Rollout {
            release: Release {
                digest: "d".to_owned(),
                version: "1.2.0".to_owned(),
                generation,
                task_definition: None,
            },
            stage: Stage::Bake,
            entered: Default::default(),
            reference: 2,
            step: None,
            gates: Default::default(),
            paused: None,
            base: None,
            deployment: None,
        };
        let record = Record {
            rollout: Some(rollout),
            ..Record::default()
        };
        found.lab.record = Some((generation, record));
    });
    assert_eq!(busy.obstacles(), ["OnItsWay"]);
}

#[test]
fn it_is_bound_to_the_route_of_the_spec() {
    let bound = |change: fn(&mut Binding)| {
        let found = found().with(|found| change(&mut found.candidate.bindings[0]));
        found.obstacles()
    };
    assert_eq!(
        bound(|one| one.group = Some(TargetGroupArn::new("tg-of-others"))),
        ["OtherGroup"]
    );
    assert_eq!(
        bound(|one| one.container = "side".to_owned()),
        ["OtherPort"]
    );
    assert_eq!(bound(|one| one.port = 80), ["OtherPort"]);
    assert_eq!(bound(|one| one.group = None), ["ClassicBalancer"]);
    let each = found().with(|found| found.lab.application = per_release());
    assert_eq!(each.obstacles(), ["PerRelease"]);
}

/// Its groups may stand in another order than the routes.
#[test]
fn of_several_routes_it_is_adopted_when_it_stands_on_one_side_of_all() {
    for side in Side::BOTH {
        let mut found = found_in(two_routes(), side);
        assert_eq!(found.adopted().side, side);
        found.candidate.bindings.reverse();
        assert_eq!(found.adopted().side, side);
    }
}

#[test]
fn of_several_routes_it_is_told_which_one_it_does_not_stand_on() {
    let told = |change: fn(&mut Vec<Binding>)| {
        let mut found = found_in(two_routes(), Side::A);
        change(&mut found.candidate.bindings);
        let obstacles = found.adopted_on(&found.lab.observe()).unwrap_err();
        let told: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
        told.join("\n")
    };
    fn also(bound: &mut Vec<Binding>, route: usize, group: &str) {
        let group = Some(TargetGroupArn::new(group));
        let more = bound[route].clone();
        bound.push(Binding { group, ..more });
    }
    let cases = [
        (
            told(|bound| bound.truncate(1)),
            "is bound to no target group of the route web:9000: bind it to tg-admin-a or tg-admin-b too",
        ),
        (
            told(|bound| bound[1].group = Some(TargetGroupArn::new("tg-admin-b"))),
            "is bound to tg-a, the first of its pair, and to tg-admin-b, the second of its own",
        ),
        (
            told(|bound| also(bound, 0, "tg-b")),
            "is bound to tg-b too, and has a group of the route web:8080 already",
        ),
        (
            told(|bound| also(bound, 1, "tg-of-others")),
            "is bound to tg-of-others, which the spec does not name",
        ),
        (
            told(|bound| bound[1].port = 8080),
            "takes traffic at web:8080, and the spec's route is web:9000",
        ),
    ];
    for (told, expected) in cases {
        assert!(told.contains(expected), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    assert_eq!(told(Vec::clear).lines().count(), 1, "no load balancer");
    let mut on_the_other = found_in(two_routes(), Side::B);
    on_the_other.candidate.bindings.truncate(1);
    assert_eq!(on_the_other.obstacles(), ["Unbound"]);
}

#[test]
fn it_is_well_on_its_own_tasks() {
    let counts = |desired: u32, running: u32| {
        found().with(|found| {
            (found.candidate.desired, found.candidate.running) = (desired, running);
        })
    };
    assert_eq!(counts(0, 0).obstacles(), ["Unwell"]);
    assert_eq!(counts(2, 1).obstacles(), ["Unwell"]);
    assert_eq!(counts(3, 3).obstacles(), ["Unwell"], "two are healthy");
    assert!(!counts(1, 3).adopted().already);
    let well = found();
    let mut world = well.lab.observe();
    if let Read::Known {
        value: Some(group), ..
    } = &mut world.groups[0]
    {
        let mut strange = group.targets[0].clone();
        group.targets[0].state = TargetState::Unhealthy;
        strange.address = "10.9.9.9:8080".to_owned();
        group.targets.push(strange);
    }
    assert_eq!(names(well.adopted_on(&world)), ["Unwell"]);
}

#[test]
fn all_production_traffic_comes_to_it() {
    let weights = |weights| found().with(|found| found.lab.set_production(weights));
    assert!(!weights([Some(1), None]).adopted().already);
    assert_eq!(
        weights([Some(50), Some(50)]).obstacles(),
        ["TrafficElsewhere"]
    );
    assert_eq!(
        weights([Some(0), Some(100)]).obstacles(),
        ["TrafficElsewhere"]
    );
    // A rule that forwards to nobody is no other one's traffic: it is what an operator would stumble over.
    let missing = found().with(|found| found.lab.rules[0].action = Action::Missing);
    assert_eq!(missing.obstacles(), ["WouldWait"]);
    // What a test rule does is nobody's harm, and an operator mends it, as it takes old revisions away.
    let test = found().with(|found| {
        let production = found.lab.rules[0].action.clone();
        found.lab.set_production([Some(0), Some(100)]);
        found.lab.rules[1].action = found.lab.rules[0].action.clone();
        found.lab.rules[0].action = production;
    });
    assert!(!test.adopted().already);
    let old = found().with(|found| {
        let revision = |n: usize| Revision {
            arn: format!("td-old-{n}"),
            digest: None,
            generation: None,
        };
        found.lab.revisions.extend((1..9).map(revision));
    });
    assert!(!old.adopted().already);
}

#[test]
fn its_images_are_those_of_the_version() {
    let image =
        |image: &str| found().with(|found| found.candidate = runs(found.candidate.clone(), image));
    assert_eq!(image("repo/blog:1.2.9").adopted().release, desired("1.2.9"));
    for unknown in ["repo/shop:1.3.0", "repo/blog:1.3.0@sha256:0"] {
        assert_eq!(image(unknown).obstacles(), ["VersionUnknown"], "{unknown}");
    }
    let none = found().with(|found| found.candidate.images.clear());
    assert_eq!(none.obstacles(), ["VersionUnknown"]);
    let asked = |version: &str| found().with(|found| found.asked = Some(desired(version)));
    assert_eq!(asked("1.3.0").adopted().release, desired("1.3.0"));
    assert_eq!(asked("1.2.9").obstacles(), ["OtherImage"]);
    assert_eq!(asked("1.3.0+1").obstacles(), ["Version"]);
}

#[test]
fn what_cannot_be_read_or_would_be_held_stops_it() {
    let unread = |forget: fn(&mut World)| {
        let found = found();
        let mut world = found.lab.observe();
        forget(&mut world);
        names(found.adopted_on(&world))
    };
    fn lost<T>(read: &mut Read<T>) {
        *read = Read::Unread {
            reason: "throttled".to_owned(),
        };
    }
    let parts: [fn(&mut World); 7] = [
        |world| lost(&mut world.services),
        |world| lost(&mut world.rules),
        |world| lost(&mut world.desired),
        |world| lost(&mut world.record),
        |world| lost(&mut world.intents),
        |world| lost(&mut world.groups[0]),
        |world| lost(&mut world.groups[1]),
    ];
    for part in parts {
        assert_eq!(unread(part), ["Unread"]);
    }
    let sticky = unread(|world| {
        if let Read::Known {
            value: Some(group), ..
        } = &mut world.groups[0]
        {
            group.sticky = true;
        }
    });
    assert_eq!(sticky, ["WouldWait"]);
}

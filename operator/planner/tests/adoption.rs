//! What speaks against adopting a service, read from AWS's own JSON: also of services that the emulator does not have.

#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use planner::adoption::{Candidate, Obstacle, adoption};
use planner::lab::{Lab, worker};
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
    let told = obstacle(|service| {
        let one = service["loadBalancers"][0].clone();
        service["loadBalancers"] = json!([one, one]);
    });
    assert!(told.contains("2 target groups"), "{told}");
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

//! A service with several target groups: an Application of several routes.

use super::*;

/// The blog's second port, and a group for it in front of which nothing stands yet.
fn admin_port(world: &World, name: &str) -> Value {
    let input = json!({
        "family": "blog", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
        "executionRoleArn": "arn:aws:iam::123456789012:role/blog-execution",
        "containerDefinitions": [{
            "name": "web", "image": "blog:1.3.0",
            "portMappings": [{"containerPort": 8080}, {"containerPort": 9000}],
        }],
    });
    world.call(Service::Ecs, "RegisterTaskDefinition", input);
    group_named(world, name)
}

fn group_named(world: &World, name: &str) -> Value {
    let input = json!({
        "Name": name, "TargetType": "ip", "Protocol": "HTTP", "Port": 9000, "VpcId": "vpc-0e0e0e0e0e0e0e0e0",
    });
    let made = world.call(Service::Elbv2, "CreateTargetGroup", input);
    made["TargetGroups"][0].clone()
}

/// `loadBalancers` with a port each, instead of those that [`World::create`] writes.
fn ports(bound: &[(&Value, u16)]) -> Value {
    let bound: Vec<Value> = bound
        .iter()
        .map(|(group, port)| json!({"targetGroupArn": group["TargetGroupArn"], "containerName": "web", "containerPort": port}))
        .collect();
    json!({ "loadBalancers": bound })
}

/// A load balancer of its own, whose listener forwards to the first group and names the second.
fn office(world: &World, [first, second]: [&Value; 2]) {
    let input = json!({
        "Name": "office", "Type": "application", "Scheme": "internal",
        "Subnets": ["subnet-0a0a0a0a0a0a0a0a0", "subnet-0b0b0b0b0b0b0b0b0"],
    });
    let made = world.call(Service::Elbv2, "CreateLoadBalancer", input);
    let groups = json!([
        {"TargetGroupArn": first["TargetGroupArn"], "Weight": 100},
        {"TargetGroupArn": second["TargetGroupArn"], "Weight": 0},
    ]);
    let input = json!({
        "LoadBalancerArn": made["LoadBalancers"][0]["LoadBalancerArn"], "Protocol": "HTTP", "Port": 9000,
        "DefaultActions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
    });
    world.call(Service::Elbv2, "CreateListener", input);
}

/// A rule of the blog's production listener.
fn rule(world: &World, groups: &[&Value]) {
    let groups: Vec<Value> = groups
        .iter()
        .map(|group| json!({"TargetGroupArn": group["TargetGroupArn"], "Weight": 1}))
        .collect();
    let input = json!({
        "ListenerArn": world.listener(8080), "Priority": 10,
        "Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
        "Conditions": [{"Field": "path-pattern", "Values": ["/admin/*"]}],
    });
    world.call(Service::Elbv2, "CreateRule", input);
}

#[tokio::test]
async fn groups_of_two_load_balancers_are_two_routes() {
    let world = World::new().await;
    let [a, b] = world.groups();
    let admin = admin_port(&world, "admin-a");
    let idle = group_named(&world, "admin-b");
    office(&world, [&admin, &idle]);
    world.create("blog", ports(&[(&a, 8080), (&admin, 9000)]), &[]);
    let mut draft = world.draft("prod", "blog").await.unwrap();
    let text = draft.finish();
    assert_eq!(draft.open(), [""; 0], "{text}");
    let application = crd_schema::spec::load(&text, "drafted").unwrap();
    let pairs = [[&a, &b], [&admin, &idle]].map(|pair| {
        let arn = |group: &Value| TargetGroupArn::new(group["TargetGroupArn"].as_str().unwrap());
        TargetGroups::Pair(pair.map(arn))
    });
    let routes = application.routes.iter();
    assert!(routes.map(|route| &route.groups).eq(&pairs), "{text}");
    insta::assert_snapshot!("two_load_balancers", same(&text, &world.local.emulator));
    world.local.stop().await;
}

#[tokio::test]
async fn each_route_needs_a_second_group_of_its_own() {
    let world = World::new().await;
    let [a, _] = world.groups();
    let admin = admin_port(&world, "admin-a");
    let idle = group_named(&world, "admin-b");
    rule(&world, &[&admin]);
    world.create("blog", ports(&[(&a, 8080), (&admin, 9000)]), &[]);
    let mut draft = world.draft("prod", "blog").await.unwrap();
    let text = draft.finish();
    let todo = "a second target group beside admin-a must exist; write its ARN here";
    assert_eq!(draft.open(), [todo], "{text}");
    assert!(
        text.contains("aws elbv2 create-target-group --name admin-b "),
        "{text}"
    );
    // Several routes have pairs only.
    assert!(!text.contains("perRelease"), "{text}");
    let done = text.replace(
        "- null",
        &format!("- {}", idle["TargetGroupArn"].as_str().unwrap()),
    );
    let application =
        crd_schema::spec::load(&done, "drafted").unwrap_or_else(|invalid| panic!("{invalid}"));
    assert_eq!(application.routes.len(), 2);
    assert_eq!(application.routes[1].port, 9000);
    world.local.stop().await;
}

#[tokio::test]
async fn a_rule_belongs_to_one_route() {
    let world = World::new().await;
    let [a, _] = world.groups();
    let admin = admin_port(&world, "admin-a");
    rule(&world, &[&admin, &a]);
    world.create("blog", ports(&[(&a, 8080), (&admin, 9000)]), &[]);
    let (exit, message) = world.fails("prod", "blog").await;
    assert_eq!(exit, Exit::Invalid);
    for told in ["HTTP:8080, rule 10", "blog-a", "targetgroup/admin-a/"] {
        assert!(message.contains(told), "{told}: {message}");
    }
    world.local.stop().await;
}

#[tokio::test]
async fn in_place_each_route_stays_on_its_group() {
    let world = World::new().await;
    let [a, _] = world.groups();
    let admin = admin_port(&world, "admin-a");
    rule(&world, &[&admin]);
    world.create("blog", ports(&[(&a, 8080), (&admin, 9000)]), &[]);
    // One route's rules name a second group and the other's do not: there is no pair in each.
    let mut draft = world.rolling("blog").await.unwrap();
    let text = draft.finish();
    assert_eq!(draft.open().len(), 1, "{text}");
    assert!(
        draft.open()[0].contains("the rules of blog-a name targetgroup/blog-b/"),
        "{text}"
    );
    world.let_forward(&world.listener(8080), &a);
    let mut draft = world.rolling("blog").await.unwrap();
    let text = draft.finish();
    assert_eq!(draft.open(), [""; 0], "{text}");
    let application = crd_schema::spec::load(&text, "drafted").unwrap();
    assert!(application.is_rolling());
    let single =
        |route: &crd_schema::application::Route| matches!(route.groups, TargetGroups::Single(_));
    assert!(application.routes.iter().all(single), "{text}");
    world.local.stop().await;
}

#[test]
fn each_route_has_its_own_test_rule() {
    let bound = |port: u64, name: &str, test: &Place| {
        json!({
            "targetGroupArn": arn(&format!("{name}-a")), "containerName": "web", "containerPort": port,
            "advancedConfiguration": {
                "alternateTargetGroupArn": arn(&format!("{name}-b")), "testListenerRule": test.rule,
            },
        })
    };
    let [users, tests, admins, trials] = [1, 2, 3, 4].map(|n| place(n, forward(&[], false)));
    let service = json!({
        "desiredCount": 2, "launchType": "FARGATE", "serviceArn": "arn:aws:ecs:eu-west-1:123456789012:service/prod/blog",
        "loadBalancers": [bound(8080, "blog", &tests), bound(9000, "admin", &trials)],
        "deploymentConfiguration": {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5},
    });
    let seen = seen_by_route(
        service,
        vec![
            vec![users.clone(), tests.clone()],
            vec![admins.clone(), trials.clone()],
        ],
    );
    let (text, open) = composed(&seen);
    assert_eq!(open, [""; 0], "{text}");
    let application = crd_schema::spec::load(&text, "drafted").unwrap();
    let rules = application
        .routes
        .iter()
        .map(|route| (route.production.as_slice(), route.test.as_slice()));
    let expected =
        [(users, tests), (admins, trials)].map(|(one, other)| [one.target, other.target]);
    for ((production, test), [user, tester]) in rules.zip(expected) {
        assert_eq!((production, test), ([user].as_slice(), [tester].as_slice()));
    }
    insta::assert_snapshot!("routes_with_tests", text);
}

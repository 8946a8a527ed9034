//! What people read when a document is wrong. Each case is one mistake, or several, in the full example.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may stop where it is wrong"
)]

use std::fmt::Write;

use crd_schema::spec::{Invalid, MAX_BYTES, load, schema};

const BLOG: &str = include_str!("../../manifests/examples/blog.yaml");
const LISTENER: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/prod/0000000000000003/0000000000000004";
const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/prod/0000000000000003/0000000000000004/0000000000000005";
const GROUP_B: &str =
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/blog-b/0000000000000002";

/// The example with each `from`, which stands there exactly once, made `to`.
fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(BLOG.to_owned(), |text, (from, to)| {
        assert_eq!(
            text.matches(from).count(),
            1,
            "{from:?} must stand in the example once"
        );
        text.replace(from, to)
    })
}

fn refused(text: &str) -> Invalid {
    match load(text, "blog.yaml") {
        Ok(application) => panic!("this must be refused:\n{text}\n{application:#?}"),
        Err(invalid) => {
            assert!(!invalid.problems.is_empty());
            assert!(
                invalid
                    .problems
                    .iter()
                    .all(|problem| problem.line > 0 && problem.column > 0),
                "{invalid:?}"
            );
            invalid
        }
    }
}

/// One text for all: a mistake, and what is said about it.
fn gallery(cases: &[(&str, &[(&str, &str)])]) -> String {
    cases
        .iter()
        .fold(String::new(), |mut gallery, (name, edits)| {
            writeln!(gallery, "## {name}\n\n{}", refused(&edited(edits))).unwrap();
            gallery
        })
}

#[test]
fn structure() {
    let gallery = gallery(&[
        ("a misspelt field", &[("bakeTime:", "bakeTme:")]),
        ("a field of another case", &[("onFailure:", "onfailure:")]),
        (
            "a field that nobody knows",
            &[("drift: heal", "replicas: 3")],
        ),
        (
            "a missing field",
            &[("  cluster: prod ", "  # cluster: prod ")],
        ),
        (
            "text where a number belongs",
            &[("port: 8080", "port: http")],
        ),
        ("a number out of range", &[("port: 8080", "port: 70000")]),
        ("a fraction", &[("desiredCount: 2 ", "desiredCount: 1.5 ")]),
        ("no tasks", &[("desiredCount: 2 ", "desiredCount: 0 ")]),
        (
            "a number where text belongs",
            &[("tags: {team: web}", "tags: {team: 42}")],
        ),
        ("an empty value", &[("  cluster: prod ", "  cluster: ")]),
        ("empty text", &[("  cluster: prod ", "  cluster: \"\" ")]),
        ("another kind", &[("kind: Application", "kind: Deployment")]),
        ("another version", &[("teal/v1alpha1", "teal/v2")]),
        (
            "a choice that does not exist",
            &[("drift: heal", "drift: ignore")],
        ),
        (
            "several at once",
            &[
                ("drift: heal", "drift: ignore"),
                ("port: 8080", "port: 0"),
                ("bakeTime:", "baketime:"),
            ],
        ),
    ]);
    insta::assert_snapshot!(gallery);
}

#[test]
fn single_values() {
    let gallery = gallery(&[
        (
            "a name that no parameter can have",
            &[("name: blog ", "name: Blog_1 ")],
        ),
        (
            "a name that is too long",
            &[(
                "name: blog ",
                "name: a2345678901234567890123456789012345678901 ",
            )],
        ),
        (
            "a time without a unit",
            &[("bakeTime: 10m", "bakeTime: 600")],
        ),
        (
            "a time with an unknown unit",
            &[("bakeTime: 10m", "bakeTime: 2 fortnights")],
        ),
        ("a time in the past", &[("bakeTime: 10m", "bakeTime: -10m")]),
        (
            "a time that is too long",
            &[("bakeTime: 10m", "bakeTime: 337h")],
        ),
        ("a deadline of nothing", &[("scaleUp: 10m", "scaleUp: 0s")]),
        (
            "a tag key that is taken",
            &[("tags: {team: web}", "tags: {\"teal:application\": shop}")],
        ),
        ("a fixed tag", &[("blog:{version}\n", "blog:1.4.0\n")]),
        ("half a tag", &[("blog:{version}\n", "blog:v{version}\n")]),
        (
            "the version twice",
            &[("blog:{version}\n", "{version}:{version}\n")],
        ),
        (
            "a digest",
            &[("blog:{version}\n", "blog@sha256:{version}\n")],
        ),
        (
            "a repository with capitals",
            &[(
                "amazonaws.com/blog:{version}\n",
                "amazonaws.com/Blog:{version}\n",
            )],
        ),
        (
            "the ARN of a task definition",
            &[(
                "taskDefinition: blog\n",
                "taskDefinition: arn:aws:ecs:eu-west-1:123456789012:task-definition/blog:7\n",
            )],
        ),
    ]);
    insta::assert_snapshot!(gallery);
}

#[test]
fn traffic() {
    let listener_entry = format!("- listener: {LISTENER}");
    let rule_entry = format!("- rule: {RULE}");
    let second_group = format!("            - {GROUP_B}\n");
    let group_a = GROUP_B.replace("blog-b/0000000000000002", "blog-a/0000000000000001");
    let gallery = gallery(&[
        ("one target group", &[(&second_group, "")]),
        ("the same group twice", &[(GROUP_B, &group_a)]),
        (
            "three target groups",
            &[(
                &second_group,
                &format!("{second_group}            - {GROUP_B}3\n"),
            )],
        ),
        ("no target group's ARN", &[(GROUP_B, "blog-b")]),
        (
            "a rule's ARN as a listener",
            &[(&listener_entry, &format!("- listener: {RULE}9"))],
        ),
        (
            "a listener's ARN as a rule",
            &[(&rule_entry, &format!("- rule: {LISTENER}9"))],
        ),
        (
            "a network load balancer",
            &[(
                &listener_entry,
                &format!("- listener: {}", LISTENER.replace("/app/", "/net/")),
            )],
        ),
        (
            "both in one entry",
            &[(
                &listener_entry,
                &format!("- {{listener: \"{LISTENER}\", rule: \"{RULE}9\"}}"),
            )],
        ),
        ("neither in an entry", &[(&listener_entry, "- {}")]),
        ("a bare ARN", &[(&listener_entry, &format!("- {LISTENER}"))]),
        (
            "the same rule in both lists",
            &[(
                "0000000000000003/0000000000000006",
                "0000000000000003/0000000000000004",
            )],
        ),
        (
            "no route",
            &[("    routes:  ", "    routes: []\n    unused: ")],
        ),
        (
            "a pair and a group for each release",
            &[(
                "          pair: ",
                "          perRelease: {}\n          pair: ",
            )],
        ),
        (
            "neither a pair nor a group for each release",
            &[(
                "        targetGroups:\n          pair: ",
                "        targetGroups: {}\n        unused: ",
            )],
        ),
    ]);
    insta::assert_snapshot!(gallery);
}

/// Further routes beside the one of the example.
#[test]
fn routes() {
    const BELOW: &str = "\n  # How a release goes.\n";
    let group = |name: &str| GROUP_B.replace("blog-b", name);
    let listener = |id: &str| LISTENER.replace("0000000000000004", id);
    let route = |groups: &str, listener: &str| {
        format!(
            "      - {{container: web, port: 9000, targetGroups: {groups}, production: [{{listener: {listener}}}]}}\n"
        )
    };
    let pair = |a: &str, b: &str| format!("{{pair: [{a}, {b}]}}");
    let own = |n: u8| {
        let groups = pair(
            &group(&format!("more-{n}-a")),
            &group(&format!("more-{n}-b")),
        );
        route(&groups, &listener(&format!("000000000000001{n}")))
    };
    let free = pair(&group("admin-a"), &group("admin-b"));
    let admin = listener("0000000000000009");
    let beside = |more: &str| format!("{more}{BELOW}");
    let five: String = (0..5).map(own).collect();
    let each = route(
        &format!("{{perRelease: {{from: {}}}}}", group("admin")),
        &admin,
    );
    let gallery = gallery(&[
        ("six routes", &[(BELOW, &beside(&five))]),
        (
            "a group of another route",
            &[(
                BELOW,
                &beside(&route(&pair(&group("admin-a"), GROUP_B), &admin)),
            )],
        ),
        (
            "the same pair again",
            &[(
                BELOW,
                &beside(&route(&pair(&group("admin-a"), &group("admin-a")), &admin)),
            )],
        ),
        (
            "a listener of another route",
            &[(BELOW, &beside(&route(&free, LISTENER)))],
        ),
        (
            "a group for each release beside a pair",
            &[(BELOW, &beside(&each))],
        ),
        (
            "no production rule",
            &[(
                BELOW,
                &beside(&route(&free, &admin).replace(&format!("{{listener: {admin}}}"), "")),
            )],
        ),
    ]);
    insta::assert_snapshot!(gallery);
}

#[test]
fn steps() {
    fn strategy(text: &str) -> [(&str, &str); 1] {
        [("{blueGreen: {}}", text)]
    }
    let gallery = gallery(&[
        ("no steps", &strategy("{canary: {steps: []}}")),
        ("nothing but a name", &strategy("{canary: {}}")),
        (
            "weights that fall",
            &strategy(
                "{canary: {steps: [{setWeight: 20}, {pause: 1m}, {setWeight: 20}, {setWeight: 5}]}}",
            ),
        ),
        (
            "weights that cannot be",
            &strategy(
                "{canary: {steps: [{setWeight: 0}, {setWeight: 0.15}, {setWeight: 101}, {setWeight: 10%}]}}",
            ),
        ),
        (
            "pauses that cannot be",
            &strategy(
                "{canary: {steps: [{pause: 0s}, {pause: soon}, {pause: 5}, {pause: {duration: 5m}}, {pause: 400h}]}}",
            ),
        ),
        (
            "two things in one step, and none",
            &strategy("{canary: {steps: [{setWeight: 10, pause: 5m}, {}]}}"),
        ),
        (
            "steps that are none",
            &strategy(
                "{canary: {steps: [{gate: Smoke}, {analysis: {}}, {setScale: {weight: 1}}, {setWeigth: 10}]}}",
            ),
        ),
        (
            "scales that fall, come late, or carry less than the weight",
            &strategy(
                "{canary: {steps: [{setWeight: 10}, {setScale: 20}, {setScale: 20}, {setWeight: 50}]}}",
            ),
        ),
        (
            "equal steps",
            &strategy("{linear: {stepPercent: 0, interval: 0s}}"),
        ),
        ("half a linear", &strategy("{linear: {stepPercent: 10}}")),
        (
            "a preset of another service",
            &strategy("{preset: CodeDeployDefault.LambdaCanary10Percent5Minutes}"),
        ),
        (
            "two strategies",
            &strategy("{canary: {steps: [{setWeight: 10}]}, blueGreen: {}}"),
        ),
    ]);
    insta::assert_snapshot!(gallery);
}

#[test]
fn gates() {
    let gates = |gates: &'static str| [("  drift: heal", gates)];
    let step = |step: &'static str| [("{blueGreen: {}}", step)];
    let gallery = gallery(&[
        (
            "none and two",
            &gates("  gates: {one: {}, two: {approval: {}, http: {url: http://a.example/}}}"),
        ),
        (
            "webhooks",
            &gates(
                "  gates: {one: {webhook: {url: http://a.example/}}, two: {webhook: {url: a.example, secret: whsec_x}}, three: {webhook: {url: http://a.example/, secret: {}}}, four: {webhook: {url: http://a.example/, secret: {parameter: qa, environment: HOME}}}}",
            ),
        ),
        (
            "names",
            &gates("  gates: {Smoke: {approval: {}}, a-name-that-is-too-long-: {approval: {}}}"),
        ),
        (
            "notifications",
            &gates(
                "  notifications: [{webhook: {url: http://a.example/, secret: {}}, events: [Nothing]}, {events: []}]",
            ),
        ),
        (
            "functions",
            &gates(
                "  gates: {one: {lambda: {}}, two: {lambda: {function: 'smoke test', hookDetails: [1]}}, three: {lambda: {function: 'arn:aws:iam::123456789012:role/x'}, onError: pass}, four: {lambda: {function: 'smoke:'}}}",
            ),
        ),
        (
            "addresses",
            &gates(
                "  gates: {one: {http: {url: a.example/health}}, two: {http: {url: https://me:secret@a.example/}}, three: {http: {url: 'http:///health'}}}",
            ),
        ),
        (
            "what is asked and expected",
            &gates(
                "  gates: {one: {http: {url: http://a.example/, method: DELETE, headers: {Host: x, 'a b': y, x-test: \"a\\nb\"}, expect: {status: 99, body: ''}}}}",
            ),
        ),
        (
            "tries and times",
            &gates(
                "  gates: {one: {approval: {}, attempts: 0, every: 0s, timeout: soon, before: Settled}}",
            ),
        ),
        (
            "a task",
            &gates("  gates: {one: {ecsTask: {taskDefinition: 'arn:x', command: [bin/migrate]}}}"),
        ),
        (
            "a command of nobody",
            &gates("  gates: {one: {ecsTask: {command: [bin/migrate]}}}"),
        ),
        (
            "a step that names nobody",
            &step("{canary: {steps: [{setWeight: 10}, {gate: smoke}]}}"),
        ),
        (
            "a step that is two",
            &step("{canary: {steps: [{setWeight: 10, gate: smoke}]}}"),
        ),
    ]);
    insta::assert_snapshot!(gallery);
}

#[test]
fn refused_by_name() {
    let strategy = "{blueGreen: {}}";
    let service = "      launchType: FARGATE\n";
    let gallery = gallery(&[
        ("rolling", &[(strategy, "{rolling: {}}")]),
        ("no strategy", &[(strategy, "{}")]),
        ("a strategy as text", &[(strategy, "blueGreen")]),
        (
            "another region or role",
            &[(
                "  drift: heal",
                "  region: eu-west-2\n  roleArn: arn:aws:iam::123456789012:role/x\n  drift: heal",
            )],
        ),
        (
            "a value from elsewhere",
            &[("  cluster: prod ", "  cluster: {fromSsm: /prod/cluster} ")],
        ),
        (
            "a value from elsewhere inside AWS's own JSON",
            &[(
                "subnets: [subnet-1, subnet-2]",
                "subnets: {fromSsm: /prod/subnets}",
            )],
        ),
        (
            "what the operator owns",
            &[(
                service,
                "      serviceName: blog\n      cluster: prod\n      taskDefinition: blog\n      loadBalancers: []\n      clientToken: x\n",
            )],
        ),
        (
            "other controllers and strategies",
            &[(
                service,
                "      deploymentController: {type: CODE_DEPLOY}\n      deploymentConfiguration: {strategy: BLUE_GREEN}\n      schedulingStrategy: DAEMON\n",
            )],
        ),
        (
            "traffic past the load balancer",
            &[(
                service,
                "      serviceRegistries: []\n      serviceConnectConfiguration: {enabled: true, services: [{portName: web}]}\n      vpcLatticeConfigurations: []\n",
            )],
        ),
    ]);
    insta::assert_snapshot!(gallery);
}

#[test]
fn no_document_at_all() {
    let bomb = format!("a: &a [x,x,x,x,x,x,x,x,x]\n{}", {
        let mut lines = String::new();
        for (name, before) in ["b", "c", "d", "e", "f"]
            .iter()
            .zip(["a", "b", "c", "d", "e"])
        {
            writeln!(
                lines,
                "{name}: &{name} [{}]",
                vec![format!("*{before}"); 9].join(",")
            )
            .unwrap();
        }
        lines
    });
    let cases = [
        ("nothing", String::new()),
        ("a sentence", "please release the blog".into()),
        ("a list", "- apiVersion: teal/v1alpha1".into()),
        (
            "broken YAML",
            "spec:\n  cluster: [prod\n  template: x\n".into(),
        ),
        (
            "broken JSON",
            "{\"spec\": {\"cluster\": \"prod\",\n \"template\": }".into(),
        ),
        (
            "other ends of lines",
            "spec: {}\rkind: Deployment\r\nmetadata: {}".into(),
        ),
        (
            "a key twice",
            "spec:\n  cluster: prod\n  cluster: test\n".into(),
        ),
        ("two documents", "a: 1\n---\nb: 2\n".into()),
        (
            "an unknown tag",
            "spec: !!python/object:os.system {}\n".into(),
        ),
        ("a bomb of aliases", bomb),
        (
            "a deep one",
            format!("{}{}", "[".repeat(100), "]".repeat(100)),
        ),
        ("a large one", format!("spec: {}", "x".repeat(MAX_BYTES))),
    ];
    let mut gallery = String::new();
    for (name, text) in cases {
        writeln!(gallery, "## {name}\n\n{}", refused(&text)).unwrap();
    }
    insta::assert_snapshot!(gallery);
}

#[test]
fn machines_read_the_same_as_json() {
    let invalid = refused(&edited(&[
        ("port: 8080", "port: http"),
        ("bakeTime:", "bakeTme:"),
    ]));
    insta::assert_json_snapshot!(invalid);
    assert_eq!(
        invalid.summary(),
        "spec.traffic.routes[0].port: line 35, column 15: write a whole number, 1 to 65535 (and 1 more)"
    );
}

/// A status is read by more people than a spec: the summary repeats nothing of what was written.
#[test]
fn a_summary_never_shows_values() {
    for (from, to) in [
        ("port: 8080", "port: hunter2"),
        ("bakeTime: 10m", "bakeTime: hunter2"),
        ("drift: heal", "drift: {hunter2"),
    ] {
        let summary = refused(&edited(&[(from, to)])).summary();
        assert!(!summary.contains("hunter2"), "{summary}");
    }
}

#[test]
fn long_lines_are_cut_around_the_caret() {
    let json: serde_json::Value =
        serde_saphyr::from_str(&edited(&[("port: 8080", "port: http")])).unwrap();
    insta::assert_snapshot!(refused(&json.to_string()));
}

#[test]
fn schedules() {
    let schedule = |text: &'static str| [("  drift: heal", text)];
    let gallery = gallery(&[
        ("no map", &schedule("  schedule: never")),
        (
            "nobody's time",
            &schedule("  schedule: {freeze: [{days: [sat, sun]}]}"),
        ),
        (
            "a time zone that is none",
            &schedule("  schedule: {timeZone: Europe/Berln, freeze: [{days: [sat, sun]}]}"),
        ),
        ("no windows", &schedule("  schedule: {timeZone: UTC}")),
        (
            "words that are not known",
            &schedule(
                "  schedule: {timeZone: UTC, freeze: [{days: [saturday], from: noon, until: '18:00'}]}",
            ),
        ),
        (
            "times and dates that are none",
            &schedule(
                "  schedule:\n    timeZone: UTC\n    freeze:\n      - {from: 14:60, to: 25:00}\n      - {from: 2026-02-29, to: 2026-03-01T12}",
            ),
        ),
        (
            "windows that mean nothing",
            &schedule(
                "  schedule:\n    timeZone: UTC\n    freeze:\n      - {}\n      - {from: \"14:00\", to: \"14:00\"}\n      - {from: \"24:00\", to: \"06:00\"}\n      - {from: 2026-12-24}\n    allow:\n      - {from: 2026-12-24, to: \"08:00\"}\n      - {days: [fri], from: 2026-12-24, to: 2026-12-26}\n      - {from: 2026-12-26T08:00, to: 2026-12-24}",
            ),
        ),
    ]);
    insta::assert_snapshot!(gallery);
}

#[test]
fn alarms_and_analyses() {
    let spec = |text: &'static str| [("  drift: heal", text)];
    let step = |step: &'static str| [("{blueGreen: {}}", step)];
    let gallery = gallery(&[
        (
            "alarms",
            &spec("  alarms: {names: ['', blog-5xx], onAlreadyInAlarm: panic}"),
        ),
        ("no alarms", &spec("  alarms: {names: []}")),
        (
            "none and two",
            &spec(
                "  analysis: {one: {}, two: {latency: {atMost: 500ms}, successRate: {atLeast: 99}}}",
            ),
        ),
        (
            "a query without a condition",
            &spec(
                "  analysis: {one: {prometheus: {address: prometheus:9090, query: up}, minRequests: 100}}",
            ),
        ),
        (
            "a query whose condition is missing",
            &spec(
                "  analysis: {one: {prometheus: {address: 'http://prometheus:9090', query: up}, minRequests: 100}}",
            ),
        ),
        (
            "conditions that are none",
            &spec(
                "  analysis: {one: {prometheus: {address: 'http://prometheus:9090', query: up}, successWhen: result is small, failWhen: result > many}}",
            ),
        ),
        (
            "conditions of what has its own",
            &spec("  analysis: {one: {successRate: {atLeast: 99}, successWhen: result > 1}}"),
        ),
        (
            "numbers",
            &spec(
                "  analysis: {one: {successRate: {atLeast: 101}, count: 0, failureLimit: -1, interval: 0s, onError: ignore}, two: {latency: {percentile: 0, atMost: fast}}}",
            ),
        ),
        (
            "queries of CloudWatch",
            &spec(
                "  analysis: {one: {cloudWatch: {queries: [{id: Errors, expression: a, metricStat: {metric: {namespace: x, metricName: y}, period: 45, stat: Sum}}, {id: b}]}, successWhen: result < 1}}",
            ),
        ),
        (
            "two values",
            &spec(
                "  analysis: {one: {cloudWatch: {queries: [{id: a, expression: b}, {id: b, metricStat: {metric: {namespace: x, metricName: y}, stat: Sum}}]}, successWhen: result < 1}}",
            ),
        ),
        (
            "a comparison with what is gone at once",
            &spec("  analysis: {one: {comparison: {}}}"),
        ),
        (
            "a comparison of latencies with what is gone at once",
            &spec("  analysis: {one: {comparison: {slowerThan: 300ms}}}"),
        ),
        (
            "how slow is slow",
            &spec(
                "  analysis: {one: {comparison: {slowerThan: 0ms}}, two: {comparison: {slowerThan: 60001ms}}, three: {comparison: {slowerThan: 1500us}}, four: {comparison: {slowerThan: 0.3}}, five: {comparison: {slowerThan: quick}}}",
            ),
        ),
        (
            "a step that names nobody",
            &step("{canary: {steps: [{setWeight: 10}, {analysis: errors}]}}"),
        ),
    ]);
    insta::assert_snapshot!(gallery);
}

/// The schema alone refuses what the reader refuses, contradictions between fields and formats apart.
#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let service = "      launchType: FARGATE\n";
    let cases: [(&str, &str); 28] = [
        ("bakeTime:", "bakeTme:"),
        ("port: 8080", "port: 0"),
        ("desiredCount: 2 ", "desiredCount: 0 "),
        ("kind: Application", "kind: Deployment"),
        ("drift: heal", "drift: ignore"),
        ("name: blog ", "name: Blog_1 "),
        ("bakeTime: 10m", "bakeTime: -10m"),
        ("tags: {team: web}", "tags: {\"teal:application\": shop}"),
        ("tags: {team: web}", "tags: {\"aws:x\": shop}"),
        ("blog:{version}\n", "blog:1.4.0\n"),
        (GROUP_B, "blog-b"),
        (LISTENER, RULE),
        ("{blueGreen: {}}", "{canary: {}}"),
        ("{blueGreen: {}}", "{canary: {steps: [{setWeight: 0.15}]}}"),
        ("{blueGreen: {}}", "{canary: {steps: [{pause: 5}]}}"),
        ("{blueGreen: {}}", "{rolling: {maximumPercent: 200}}"),
        ("{blueGreen: {}}", "{}"),
        ("drift: heal", "gates: {smoke: {http: {url: example.com}}}"),
        ("drift: heal", "gates: {Smoke: {approval: {}}}"),
        ("drift: heal", "gates: {smoke: {lambda: {function: 'a b'}}}"),
        ("drift: heal", "alarms: {}"),
        ("drift: heal", "region: eu-west-2"),
        ("  cluster: prod ", "  cluster: {fromSsm: /prod/cluster} "),
        (service, "      serviceName: blog\n"),
        (service, "      deploymentController: {type: EXTERNAL}\n"),
        (
            service,
            "      deploymentConfiguration: {strategy: CANARY}\n",
        ),
        (
            service,
            "      serviceConnectConfiguration: {services: []}\n",
        ),
        (service, "      serviceRegistries: []\n"),
    ];
    for (from, to) in cases {
        let text = if BLOG.matches(from).count() == 1 {
            edited(&[(from, to)])
        } else {
            BLOG.replace(from, to)
        };
        let json: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert!(!validator.is_valid(&json), "the schema lets {to:?} pass");
        refused(&text);
    }
}

/// Client-only Service Connect, capacity providers and all that is not named pass.
#[test]
fn what_is_not_named_passes() {
    let text = edited(&[(
        "      launchType: FARGATE\n",
        "      capacityProviderStrategy: [{capacityProvider: FARGATE_SPOT, weight: 1}]\n      serviceConnectConfiguration: {enabled: true, namespace: apps}\n      deploymentController: {type: ECS}\n      schedulingStrategy: REPLICA\n      deploymentConfiguration: {strategy: ROLLING, maximumPercent: 150}\n      enableExecuteCommand: true\n      aFieldOfNextYear: [1.5, null, {on: yes, account: 012345678901}]\n",
    )]);
    let app = load(&text, "blog.yaml").unwrap_or_else(|invalid| panic!("{invalid}"));
    insta::assert_json_snapshot!(app.template.service);
}

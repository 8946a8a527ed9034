//! Condition and update expressions over the top-level attributes of one item.
//!
//! Source: Amazon DynamoDB Developer Guide, "Condition and filter expressions, operators, and functions" and "Using
//! update expressions".

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::invalid;
use crate::api::AwsError;
use crate::world::dynamodb::Item;

/// What stands for names (`#n`) and values (`:v`) in the expressions of one request.
#[derive(Debug)]
pub(super) struct Placeholders {
    names: Item,
    values: Item,
    used: BTreeSet<String>,
}

impl Placeholders {
    pub(super) fn of(input: &Value) -> Self {
        let map = |member: &str| {
            let map = input.get(member).and_then(Value::as_object);
            map.cloned().unwrap_or_default()
        };
        Self {
            names: map("ExpressionAttributeNames"),
            values: map("ExpressionAttributeValues"),
            used: BTreeSet::new(),
        }
    }

    fn name(&mut self, word: &str) -> Result<String, AwsError> {
        if !word.starts_with('#') {
            return Ok(word.to_owned());
        }
        self.used.insert(word.to_owned());
        let name = self.names.get(word).and_then(Value::as_str);
        name.map(str::to_owned).ok_or_else(|| {
            invalid(format!(
                "An expression attribute name used in the document path is not defined; attribute name: {word}"
            ))
        })
    }

    fn value(&mut self, word: &str) -> Result<Value, AwsError> {
        self.used.insert(word.to_owned());
        self.values.get(word).cloned().ok_or_else(|| {
            invalid(format!(
                "An expression attribute value used in expression is not defined; attribute value: {word}"
            ))
        })
    }

    /// What is given must be used.
    pub(super) fn all_used(&self) -> Result<(), AwsError> {
        for (map, what) in [(&self.names, "Names"), (&self.values, "Values")] {
            if let Some(unused) = map.keys().find(|name| !self.used.contains(*name)) {
                return Err(invalid(format!(
                    "Value unused in ExpressionAttribute{what}: keys: {{{unused}}}"
                )));
            }
        }
        Ok(())
    }
}

/// A condition.
#[derive(Debug)]
pub(super) enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Operand, String, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(String),
    Type(String, Operand),
    BeginsWith(String, Operand),
    Contains(String, Operand),
}

/// What is compared.
#[derive(Debug)]
pub(super) enum Operand {
    Attribute(String),
    Value(Value),
    Size(String),
}

impl Condition {
    pub(super) fn parse(text: &str, placeholders: &mut Placeholders) -> Result<Self, AwsError> {
        let mut parser = Parser::new("ConditionExpression", text, placeholders)?;
        let condition = parser.any()?;
        parser.end()?;
        Ok(condition)
    }

    pub(super) fn holds(&self, item: &Item) -> bool {
        let text = |operand: &Operand| {
            let value = operand.of(item)?;
            Some(value.as_object()?.values().next()?.as_str()?.to_owned())
        };
        match self {
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(item)),
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(item)),
            Self::Not(condition) => !condition.holds(item),
            Self::Compare(left, operator, right) => {
                let (left, right) = (left.of(item), right.of(item));
                let (Some(left), Some(right)) = (left, right) else {
                    return operator == "<>";
                };
                let order = compare(&left, &right);
                match operator.as_str() {
                    "=" => equal(&left, &right),
                    "<>" => !equal(&left, &right),
                    "<" => order == Some(Ordering::Less),
                    "<=" => order.is_some_and(Ordering::is_le),
                    ">" => order == Some(Ordering::Greater),
                    _ => order.is_some_and(Ordering::is_ge),
                }
            }
            Self::Between(value, low, high) => {
                let (value, low, high) = (value.of(item), low.of(item), high.of(item));
                let (Some(value), Some(low), Some(high)) = (value, low, high) else {
                    return false;
                };
                compare(&low, &value).is_some_and(Ordering::is_le)
                    && compare(&value, &high).is_some_and(Ordering::is_le)
            }
            Self::In(value, among) => value.of(item).is_some_and(|value| {
                let mut among = among.iter().filter_map(|one| one.of(item));
                among.any(|one| equal(&value, &one))
            }),
            Self::Exists(name) => item.contains_key(name),
            Self::Type(name, kind) => {
                let kind = text(kind);
                let value = item.get(name);
                kind.is_some_and(|kind| value.is_some_and(|value| value.get(kind).is_some()))
            }
            Self::BeginsWith(name, start) => {
                let value = text(&Operand::Attribute(name.clone()));
                value
                    .zip(text(start))
                    .is_some_and(|(value, start)| value.starts_with(&start))
            }
            Self::Contains(name, part) => {
                let (Some(whole), Some(part)) = (item.get(name), part.of(item)) else {
                    return false;
                };
                let part_text = part.as_object().and_then(|part| part.values().next());
                match whole.as_object().and_then(|whole| whole.iter().next()) {
                    Some((kind, Value::String(whole))) if kind == "S" => part_text
                        .and_then(Value::as_str)
                        .is_some_and(|part| whole.contains(part)),
                    Some((kind, Value::Array(members))) if kind == "L" => {
                        members.iter().any(|member| equal(member, &part))
                    }
                    Some((_, Value::Array(members))) => {
                        part_text.is_some_and(|part| members.contains(part))
                    }
                    Some(_) | None => false,
                }
            }
        }
    }
}

impl Operand {
    fn of(&self, item: &Item) -> Option<Value> {
        match self {
            Self::Attribute(name) => item.get(name).cloned(),
            Self::Value(value) => Some(value.clone()),
            Self::Size(name) => {
                let value = item.get(name)?.as_object()?.values().next()?;
                let size = match value {
                    Value::String(text) => text.len(),
                    Value::Array(members) => members.len(),
                    Value::Object(members) => members.len(),
                    Value::Null | Value::Bool(_) | Value::Number(_) => return None,
                };
                Some(json!({"N": size.to_string()}))
            }
        }
    }
}

/// Values of one type, in that type's order.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    let of = |value: &Value| {
        let (kind, value) = value.as_object()?.iter().next()?;
        Some((kind.clone(), value.as_str()?.to_owned()))
    };
    let ((left_kind, left), (right_kind, right)) = (of(left)?, of(right)?);
    if left_kind != right_kind {
        return None;
    }
    if left_kind != "N" {
        return Some(left.cmp(&right));
    }
    match (left.parse::<i128>(), right.parse::<i128>()) {
        (Ok(left), Ok(right)) => Some(left.cmp(&right)),
        (Err(_), _) | (_, Err(_)) => left.parse::<f64>().ok()?.partial_cmp(&right.parse().ok()?),
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    compare(left, right).map_or(left == right, Ordering::is_eq)
}

/// An update.
#[derive(Debug)]
pub(super) struct Update(Vec<Change>);

#[derive(Debug)]
enum Change {
    Set(String, Vec<(bool, SetTo)>),
    Remove(String),
    Add(String, Value),
}

/// A term of what an attribute is set to.
#[derive(Debug)]
enum SetTo {
    Operand(Operand),
    IfNotExists(String, Operand),
}

impl Update {
    pub(super) fn parse(text: &str, placeholders: &mut Placeholders) -> Result<Self, AwsError> {
        let mut parser = Parser::new("UpdateExpression", text, placeholders)?;
        let mut changes = Vec::new();
        while let Some(clause) = parser.peek().map(str::to_ascii_uppercase) {
            parser.at += 1;
            loop {
                changes.push(match clause.as_str() {
                    "SET" => parser.set()?,
                    "REMOVE" => Change::Remove(parser.path()?),
                    "ADD" => {
                        let name = parser.path()?;
                        let word = parser.word()?;
                        Change::Add(name, parser.placeholders.value(&word)?)
                    }
                    _ => return Err(parser.wrong(parser.at - 1)),
                });
                if !parser.takes(",") {
                    break;
                }
            }
        }
        Ok(Self(changes))
    }

    pub(super) fn touches(&self, attribute: &str) -> bool {
        self.0.iter().any(|change| match change {
            Change::Set(name, _) | Change::Remove(name) | Change::Add(name, _) => name == attribute,
        })
    }

    /// All at once: every operand is the item's as it was.
    pub(super) fn apply(self, item: &mut Item) -> Result<(), AwsError> {
        let before = item.clone();
        for change in self.0 {
            match change {
                Change::Remove(name) => {
                    item.remove(&name);
                }
                Change::Add(name, value) => {
                    let zero = json!({"N": "0"});
                    let sum = add(before.get(&name).unwrap_or(&zero), &value, false)?;
                    item.insert(name, sum);
                }
                Change::Set(name, terms) => {
                    let mut total: Option<Value> = None;
                    for (minus, term) in terms {
                        let value = match &term {
                            SetTo::Operand(operand) => operand.of(&before),
                            SetTo::IfNotExists(name, other) => {
                                before.get(name).cloned().or_else(|| other.of(&before))
                            }
                        };
                        let value = value.ok_or_else(|| {
                            invalid("The provided expression refers to an attribute that does not exist in the item")
                        })?;
                        total = Some(match total {
                            None => value,
                            Some(total) => add(&total, &value, minus)?,
                        });
                    }
                    if let Some(total) = total {
                        item.insert(name, total);
                    }
                }
            }
        }
        Ok(())
    }
}

fn add(left: &Value, right: &Value, minus: bool) -> Result<Value, AwsError> {
    let of = |value: &Value| {
        let number = value.get("N").and_then(Value::as_str);
        number.and_then(|number| number.parse::<i128>().ok())
    };
    let sum = of(left).zip(of(right)).and_then(|(left, right)| {
        if minus {
            left.checked_sub(right)
        } else {
            left.checked_add(right)
        }
    });
    sum.map(|sum| json!({"N": sum.to_string()})).ok_or_else(|| {
        invalid("An operand in the update expression has an incorrect data type (whole numbers only are emulated)")
    })
}

/// Recursive descent over words.
struct Parser<'a> {
    what: &'static str,
    words: Vec<String>,
    at: usize,
    placeholders: &'a mut Placeholders,
}

impl<'a> Parser<'a> {
    fn new(
        what: &'static str,
        text: &str,
        placeholders: &'a mut Placeholders,
    ) -> Result<Self, AwsError> {
        let mut words: Vec<String> = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if c.is_whitespace() {
                continue;
            }
            let mut word = c.to_string();
            if in_word(c) || c == '#' || c == ':' {
                while let Some(next) = chars.next_if(|next| in_word(*next)) {
                    word.push(next);
                }
            } else if matches!(c, '<' | '>') {
                let second = |next: &char| *next == '=' || (c == '<' && *next == '>');
                word.extend(chars.next_if(second));
            } else if !"()=,+-".contains(c) {
                return Err(invalid(format!(
                    "Invalid {what}: Syntax error; token: \"{c}\", near: \"{text}\""
                )));
            }
            words.push(word);
        }
        if words.is_empty() {
            return Err(invalid(format!(
                "Invalid {what}: The expression can not be empty;"
            )));
        }
        Ok(Self {
            what,
            words,
            at: 0,
            placeholders,
        })
    }

    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(String::as_str)
    }

    fn word(&mut self) -> Result<String, AwsError> {
        let word = self.words.get(self.at).cloned();
        self.at += 1;
        word.ok_or_else(|| self.wrong(self.at - 1))
    }

    fn takes(&mut self, word: &str) -> bool {
        let takes = self
            .peek()
            .is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.at += usize::from(takes);
        takes
    }

    fn expect(&mut self, word: &str) -> Result<(), AwsError> {
        if self.takes(word) {
            return Ok(());
        }
        Err(self.wrong(self.at))
    }

    fn end(&self) -> Result<(), AwsError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.wrong(self.at)),
        }
    }

    fn wrong(&self, at: usize) -> AwsError {
        let token = self.words.get(at).map_or("<EOF>", String::as_str);
        let near = self.words[at.saturating_sub(1).min(self.words.len())..]
            .iter()
            .take(3)
            .map(String::as_str);
        let near: Vec<&str> = near.collect();
        invalid(format!(
            "Invalid {}: Syntax error; token: \"{token}\", near: \"{}\"",
            self.what,
            near.join(" ")
        ))
    }

    fn any(&mut self) -> Result<Condition, AwsError> {
        let mut parts = vec![self.all()?];
        while self.takes("OR") {
            parts.push(self.all()?);
        }
        Ok(Condition::Any(parts))
    }

    fn all(&mut self) -> Result<Condition, AwsError> {
        let mut parts = vec![self.not()?];
        while self.takes("AND") {
            parts.push(self.not()?);
        }
        Ok(Condition::All(parts))
    }

    fn not(&mut self) -> Result<Condition, AwsError> {
        if self.takes("NOT") {
            return Ok(Condition::Not(Box::new(self.not()?)));
        }
        if self.takes("(") {
            let inner = self.any()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let function = self.peek().unwrap_or_default().to_owned();
        let called = self.words.get(self.at + 1).is_some_and(|word| word == "(");
        if called && function != "size" {
            return self.function(&function);
        }
        let left = self.operand()?;
        let operator = self.word()?;
        if operator.eq_ignore_ascii_case("BETWEEN") {
            let low = self.operand()?;
            self.expect("AND")?;
            return Ok(Condition::Between(left, low, self.operand()?));
        }
        if operator.eq_ignore_ascii_case("IN") {
            self.expect("(")?;
            let mut among = vec![self.operand()?];
            while self.takes(",") {
                among.push(self.operand()?);
            }
            self.expect(")")?;
            return Ok(Condition::In(left, among));
        }
        if !["=", "<>", "<", "<=", ">", ">="].contains(&operator.as_str()) {
            return Err(self.wrong(self.at - 1));
        }
        Ok(Condition::Compare(left, operator, self.operand()?))
    }

    fn function(&mut self, function: &str) -> Result<Condition, AwsError> {
        self.at += 2;
        let path = self.path()?;
        let condition = match function {
            "attribute_exists" => Condition::Exists(path),
            "attribute_not_exists" => Condition::Not(Box::new(Condition::Exists(path))),
            "attribute_type" | "begins_with" | "contains" => {
                self.expect(",")?;
                let operand = self.operand()?;
                match function {
                    "attribute_type" => Condition::Type(path, operand),
                    "begins_with" => Condition::BeginsWith(path, operand),
                    _ => Condition::Contains(path, operand),
                }
            }
            _ => {
                return Err(invalid(format!(
                    "Invalid {}: Invalid function name; function: {function}",
                    self.what
                )));
            }
        };
        self.expect(")")?;
        Ok(condition)
    }

    fn operand(&mut self) -> Result<Operand, AwsError> {
        let word = self.peek().unwrap_or_default().to_owned();
        if word.starts_with(':') {
            self.at += 1;
            let value = self.placeholders.value(&word)?;
            return Ok(Operand::Value(value));
        }
        let called = self.words.get(self.at + 1).is_some_and(|word| word == "(");
        if word == "size" && called {
            self.at += 2;
            let path = self.path()?;
            self.expect(")")?;
            return Ok(Operand::Size(path));
        }
        Ok(Operand::Attribute(self.path()?))
    }

    fn path(&mut self) -> Result<String, AwsError> {
        let word = self.word()?;
        let name = word.trim_start_matches('#');
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return Err(self.wrong(self.at - 1));
        }
        self.placeholders.name(&word)
    }

    fn set(&mut self) -> Result<Change, AwsError> {
        let name = self.path()?;
        self.expect("=")?;
        let mut terms = vec![(false, self.set_to()?)];
        loop {
            if self.takes("+") {
                terms.push((false, self.set_to()?));
            } else if self.takes("-") {
                terms.push((true, self.set_to()?));
            } else {
                return Ok(Change::Set(name, terms));
            }
        }
    }

    fn set_to(&mut self) -> Result<SetTo, AwsError> {
        let called = self.words.get(self.at + 1).is_some_and(|word| word == "(");
        if self.peek() == Some("if_not_exists") && called {
            self.at += 2;
            let name = self.path()?;
            self.expect(",")?;
            let other = self.operand()?;
            self.expect(")")?;
            return Ok(SetTo::IfNotExists(name, other));
        }
        Ok(SetTo::Operand(self.operand()?))
    }
}

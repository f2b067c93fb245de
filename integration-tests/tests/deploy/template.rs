// SPDX-License-Identifier: Apache-2.0
//! A template as it would be carried out: conditions decided, parameters filled in.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::{documents, files};

/// The template in this file.
pub(crate) fn template(path: &str) -> Template {
    static ALL: OnceLock<Value> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let mut paths = files("deploy/cloudformation", "yaml");
        paths.extend(files("deploy/sam", "yaml"));
        documents(&paths)
    });
    let document = all
        .get(path)
        .unwrap_or_else(|| panic!("there is no {path}"));
    Template(document.clone())
}

/// Every template, by path.
pub(crate) fn all() -> Vec<(String, Template)> {
    let mut paths = files("deploy/cloudformation", "yaml");
    paths.extend(files("deploy/sam", "yaml"));
    paths
        .into_iter()
        .map(|path| (path.clone(), template(&path)))
        .collect()
}

/// A template, before its parameters are known.
pub(crate) struct Template(Value);

/// What a template comes to with certain parameters.
pub(crate) struct Stack {
    template: Value,
    parameters: BTreeMap<String, Value>,
}

impl Template {
    /// With these parameters, and the defaults of others. What has neither stays a reference.
    pub(crate) fn with(&self, given: &[(&str, &str)]) -> Stack {
        let mut parameters = BTreeMap::new();
        for (name, declared) in self.0["Parameters"].as_object().unwrap() {
            if let Some(default) = declared.get("Default") {
                parameters.insert(name.clone(), default.clone());
            }
        }
        for (name, value) in given {
            let declared = &self.0["Parameters"][*name];
            assert!(!declared.is_null(), "there is no parameter {name}");
            if let Some(allowed) = declared["AllowedValues"].as_array() {
                assert!(
                    allowed.iter().any(|one| text(one) == *value),
                    "{name}={value}"
                );
            }
            parameters.insert((*name).to_owned(), (*value).into());
        }
        Stack {
            template: self.0.clone(),
            parameters,
        }
    }
}

impl Stack {
    /// The properties of the resources of a kind that come to be, by name.
    pub(crate) fn resources(&self, kind: &str) -> BTreeMap<String, Value> {
        let resources = self.template["Resources"].as_object().unwrap().iter();
        resources
            .filter(|(_, resource)| resource["Type"] == kind)
            .filter(|(_, resource)| {
                let condition = resource.get("Condition");
                condition.is_none_or(|name| self.condition(name.as_str().unwrap()))
            })
            .map(|(name, resource)| (name.clone(), self.resolve(&resource["Properties"]).unwrap()))
            .collect()
    }

    /// The properties of the one resource of a kind.
    pub(crate) fn the(&self, kind: &str) -> Value {
        let resources = self.resources(kind);
        assert_eq!(resources.len(), 1, "one {kind}: {resources:?}");
        resources.into_values().next().unwrap()
    }

    /// What it says of a resource beside its properties.
    pub(crate) fn resource(&self, name: &str) -> &Value {
        &self.template["Resources"][name]
    }

    /// Whether all rules allow these parameters.
    pub(crate) fn is_allowed(&self) -> bool {
        let rules = self.template["Rules"].as_object().unwrap().values();
        rules
            .flat_map(|rule| rule["Assertions"].as_array().unwrap())
            .all(|assertion| self.holds(&assertion["Assert"]))
    }

    fn condition(&self, name: &str) -> bool {
        let condition = &self.template["Conditions"][name];
        assert!(!condition.is_null(), "there is no condition {name}");
        self.holds(condition)
    }

    fn holds(&self, condition: &Value) -> bool {
        let (function, argument) = single(condition).unwrap();
        let arguments = argument.as_array().into_iter().flatten();
        match function {
            "Condition" => self.condition(argument.as_str().unwrap()),
            "Fn::Equals" => {
                let sides: Vec<_> = arguments.map(|side| self.resolve(side)).collect();
                let [Some(left), Some(right)] = &sides[..] else {
                    panic!("{condition} compares two values");
                };
                text(left) == text(right)
            }
            "Fn::Not" => !self.holds(&argument[0]),
            "Fn::And" => arguments.into_iter().all(|part| self.holds(part)),
            "Fn::Or" => arguments.into_iter().any(|part| self.holds(part)),
            _ => panic!("no test knows {condition}"),
        }
    }

    /// Nothing is what a property becomes that is `AWS::NoValue`.
    fn resolve(&self, value: &Value) -> Option<Value> {
        match (single(value), value) {
            (Some(("Ref", name)), _) if name == "AWS::NoValue" => None,
            (Some(("Ref", name)), _) => {
                let parameter = self.parameters.get(name.as_str().unwrap());
                Some(parameter.unwrap_or(value).clone())
            }
            (Some(("Fn::If", branches)), _) => {
                let holds = self.condition(branches[0].as_str().unwrap());
                self.resolve(&branches[if holds { 1 } else { 2 }])
            }
            (_, Value::Object(fields)) => {
                let fields = fields.iter();
                let kept =
                    fields.filter_map(|(key, value)| Some((key.clone(), self.resolve(value)?)));
                Some(kept.collect::<Map<_, _>>().into())
            }
            (_, Value::Array(items)) => {
                Some(items.iter().filter_map(|item| self.resolve(item)).collect())
            }
            _ => Some(value.clone()),
        }
    }
}

/// The one field of an object that has one.
fn single(value: &Value) -> Option<(&str, &Value)> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    fields
        .iter()
        .next()
        .map(|(key, value)| (key.as_str(), value))
}

/// Conditions compare texts.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

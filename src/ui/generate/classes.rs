//! The classes of a generator, found by number or by a few letters of the name.

use crate::document::class_name;
use crate::generator::GeneratorArgs;
use crate::ui::fuzzy;
use egui::{Button, ScrollArea, TextEdit, Ui};

/// Height of the list, in points.
const LIST_HEIGHT: f32 = 150.0;

/// The list with what is searched in it.
#[derive(Default)]
pub(super) struct ClassList {
    query: String,
    /// Classes that match, best first, and the query they match.
    matches: Option<(String, Vec<u32>)>,
}

impl ClassList {
    /// Another generator has other classes.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Draws search field and list; `chosen` is `None` for no class.
    pub(super) fn ui(&mut self, ui: &mut Ui, args: &GeneratorArgs, chosen: &mut Option<u32>) {
        ui.horizontal(|ui| {
            ui.label("class");
            ui.strong(title(*chosen, args));
        });
        let field = TextEdit::singleline(&mut self.query)
            .hint_text("find a class by name or number")
            .desired_width(f32::INFINITY);
        ui.add(field).accessible_name("find a class");
        let row_height = ui.spacing().interact_size.y;
        let matches = self.matches(args);
        ScrollArea::vertical()
            .id_salt("classes")
            .max_height(LIST_HEIGHT)
            .auto_shrink([false, false])
            .show_rows(ui, row_height, matches.len(), |ui, rows| {
                for class in matches.get(rows).unwrap_or_default() {
                    let class = args
                        .null_label()
                        .filter(|null| null == class)
                        .map_or(Some(*class), |_| None);
                    let button = Button::selectable(*chosen == class, title(class, args));
                    if ui.add(button).clicked() {
                        *chosen = class;
                    }
                }
            });
    }

    /// The classes on show; the null label stands for no class, and stands first.
    fn matches(&mut self, args: &GeneratorArgs) -> &[u32] {
        let is_current = self
            .matches
            .as_ref()
            .is_some_and(|(query, _)| *query == self.query);
        if !is_current {
            self.matches = Some((self.query.clone(), find(&self.query, args)));
        }
        self.matches.as_ref().map_or(&[], |(_, matches)| matches)
    }
}

fn find(query: &str, args: &GeneratorArgs) -> Vec<u32> {
    let classes = (0..args.num_classes).filter_map(|class| u32::try_from(class).ok());
    if query.trim().is_empty() {
        return args.null_label().into_iter().chain(classes).collect();
    }
    let mut found: Vec<(i32, u32)> = classes
        .filter_map(|class| Some((fuzzy::find(query, &title(Some(class), args))?.score, class)))
        .collect();
    found.sort_by_key(|(score, class)| (-score, *class));
    found.into_iter().map(|(_, class)| class).collect()
}

/// A class as a person reads it.
pub(super) fn title(class: Option<u32>, args: &GeneratorArgs) -> String {
    match class {
        None => "no class".to_owned(),
        Some(class) => match class_name(class, args) {
            Some(name) => format!("{class} {name}"),
            None => format!("class {class}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(classes: usize, dropout: f64) -> GeneratorArgs {
        serde_json::from_value(serde_json::json!({
            "input_size": 4, "in_channels": 2, "hidden_size": 8, "depth": 1, "num_heads": 2, "mlp_ratio": 4.0,
            "num_classes": classes, "class_dropout_prob": dropout,
        }))
        .unwrap()
    }

    #[test]
    fn no_class_stands_first_where_the_generator_has_it() {
        assert_eq!(find("", &args(3, 0.1)), [3, 0, 1, 2]);
        assert_eq!(find(" ", &args(3, 0.0)), [0, 1, 2]);
    }

    #[test]
    fn classes_are_found_by_name_and_number() {
        assert_eq!(find("golden retr", &args(1000, 0.1)).first(), Some(&207));
        assert_eq!(find("974", &args(1000, 0.1)).first(), Some(&974));
        assert!(find("xqz", &args(1000, 0.1)).is_empty());
    }
}

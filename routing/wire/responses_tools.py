"""The tools of a Responses body: functions as they are, texts and namespaces under other forms, the provider's own as needs."""

from collections.abc import Iterator

from routing.terms.request import Tool, ToolChoice
from routing.wire.base import Names
from routing.wire.chat_reading import MODES, text_tool
from routing.wire.fields import Field
from routing.wire.openai import flat_name


class Tools:
    """Tools as they are read, and what they were called. `needs` grows by what only the provider itself can run."""

    def __init__(self, needs: set[str]) -> None:
        self.needs = needs
        self.tools: list[Tool] = []
        self._custom: set[str] = set()
        self._own: dict[str, tuple[str, str]] = {}

    def names(self) -> Names:
        return Names(frozenset(self._custom), self._own)

    def add(self, tools: Iterator[Field], space: str = "") -> None:
        for tool in tools:
            match tool.need("type").text():
                case "function":
                    self._add(_function(tool), space)
                case "custom":
                    self._custom.add(self._add(text_tool(tool), space))
                case "namespace" if not space:
                    self.add(tool.need("tools").items(), tool.need("name").name())
                case kind if kind.startswith("web_search"):
                    self._web_search(tool)
                case _:
                    self.needs.add("server_tools")

    def choice(self, choice: Field) -> ToolChoice | None:
        """The choice; of a list of allowed tools only those stay."""
        if choice.is_text:
            return ToolChoice(MODES[choice.one_of(*MODES)])
        match choice.need("type").text():
            case "function" | "custom":
                return ToolChoice("tool", self.called(choice))
            case "allowed_tools":
                allowed = {self.called(each) for each in choice.need("tools").items() if each.get("name")}
                self.tools = [tool for tool in self.tools if tool.name in allowed]
                return ToolChoice(MODES[choice.need("mode").one_of("auto", "required")])
        self.needs.add("server_tools")
        return None

    def called(self, named: Field) -> str:
        """The passed-on name of what bears a name and perhaps a namespace."""
        name, space = named.need("name").name(), named.text_of("namespace")
        return flat_name(space, name) if space else name

    def _add(self, tool: Tool, space: str) -> str:
        name = tool.name
        if space:
            name = flat_name(space, tool.name)
            self._own[name] = (space, tool.name)
        self.tools.append(Tool(name, tool.description, tool.schema, tool.strict))
        return name

    def _web_search(self, tool: Field) -> None:
        # Codex offers its cached search, which reaches nothing outside, with every call; a call must not depend on it.
        if tool.flag_of("external_web_access") is not False:
            self.needs.add("web_search")


def _function(tool: Field) -> Tool:
    parameters = tool.get("parameters")
    return Tool(
        name=tool.need("name").name(),
        description=tool.text_of("description"),
        schema=parameters.object() if parameters else {"type": "object", "properties": {}},
        strict=bool(tool.flag_of("strict")),
    )

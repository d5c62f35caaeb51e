package app.muzzle

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.w3c.dom.Element
import java.io.File
import javax.xml.parsers.DocumentBuilderFactory

class LanguagesTest {
    private val resources = File("src/main/res")
    private val argument = Regex("""%(\d+)\$([sd])""")

    /** Every text of a folder by name, plurals as `name/quantity`. */
    private fun texts(folder: String): Map<String, String> =
        File(resources, folder)
            .listFiles { file -> file.name.startsWith("strings") }
            .orEmpty()
            .flatMap { file ->
                val root = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(file).documentElement
                elements(root).filter { it.getAttribute("translatable") != "false" }.flatMap(::named)
            }.toMap()

    private fun named(element: Element): List<Pair<String, String>> {
        val name = element.getAttribute("name")
        if (element.tagName == "string") return listOf(name to element.textContent)
        return elements(element).map { "$name/${it.getAttribute("quantity")}" to it.textContent }
    }

    private fun elements(of: Element) = (0 until of.childNodes.length).mapNotNull { of.childNodes.item(it) as? Element }

    private fun arguments(text: String) = argument.findAll(text).map { it.value }.toSet()

    private val english = texts("values")

    @Test
    fun everyLanguageSaysEverything() {
        assertTrue("no strings found", english.size > 100)
        for ((language, quantities) in LANGUAGES) {
            val names = english.keys.filter { '/' !in it }
            val plurals = english.keys.filter { '/' in it }.map { it.substringBefore('/') }.toSet()
            val wanted = names + plurals.flatMap { name -> quantities.map { "$name/$it" } }
            val there = texts("values-$language")
            assertEquals("missing in $language", emptySet<String>(), wanted.toSet() - there.keys)
            assertEquals("empty in $language", emptyList<String>(), there.filterValues { it.isBlank() }.keys.toList())
        }
    }

    @Test
    fun everyLanguageTakesTheSameArguments() {
        for (language in LANGUAGES.keys) {
            val wrong =
                texts("values-$language").filter { (name, text) ->
                    val original = english[name.substringBefore('/') + "/other"] ?: english[name]
                    // One of a thing may be said without its number.
                    val one = name.endsWith("/one") && arguments(text).isEmpty()
                    original != null && !one && arguments(text) != arguments(original)
                }
            assertEquals("other arguments in $language", emptySet<String>(), wrong.keys)
        }
    }

    private companion object {
        /** The plural forms of each, by Unicode's rules for whole numbers that occur here. */
        val LANGUAGES =
            mapOf(
                "zh-rCN" to setOf("other"),
                "hi" to setOf("one", "other"),
                "ru" to setOf("one", "few", "many", "other"),
                "es" to setOf("one", "other"),
                "in" to setOf("other"),
            )
    }
}

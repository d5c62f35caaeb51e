package app.muzzle.ui

import android.widget.ListView
import android.widget.Toolbar
import app.muzzle.R
import app.muzzle.core.Core
import app.muzzle.core.Verdict
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test

class HostsTest : ScreenTest() {
    private fun hosts() = open<MainActivity>().also { tap(it.get(), "Hosts") }

    @Test
    fun aCategoryIsSwitchedForAllOfItsHosts() {
        obey()
        val main = hosts().get()
        val rule = graph.core.rules(null, "analytics", 0).rules.first { it.default == "block" }
        val host = rule.rule.removePrefix(".")
        assertEquals(Verdict.BLOCK, graph.core.host(host).decision?.verdict)
        scrollTo(main, "Usage statistics")
        tapIn(row(main, "Usage statistics"), "Allow")
        assertEquals(mapOf("analytics" to Verdict.ALLOW), graph.settings.now.categories)
        assertEquals(Verdict.ALLOW, graph.core.host(host).decision?.verdict)
        tap(main, "Undo")
        assertEquals(Verdict.BLOCK, graph.core.host(host).decision?.verdict)
    }

    @Test
    fun anyHostIsLookedUpAndDecided() {
        obey()
        val controller = hosts()
        type(controller.get(), "tracking.intl.miui.com")
        val main = revive(controller)
        assertShows(main, "tracking.intl.miui.com", "What is known, what happens, and why", "1 rule")
        tap(main, "What is known, what happens, and why")
        val screen = follow<HostActivity>(main)
        assertShows(screen, "What happens", "Is stopped. A list names the host.", "What we know", "Owner", "Source")
        tap(screen, "Allow")
        assertShows(screen, "Passes. You said so for this host.")
        assertEquals(Verdict.ALLOW, graph.core.host("tracking.intl.miui.com").decision?.verdict)
        tap(screen, "Default")
        assertEquals(Verdict.BLOCK, graph.core.host("tracking.intl.miui.com").decision?.verdict)
        assertEquals(emptyList<Any>(), graph.settings.now.hosts)
    }

    @Test
    fun aHostThatNoListNamesPassesAndSaysSo() {
        val main = hosts().get()
        type(main, "unheard-of.example")
        tap(main, "What is known, what happens, and why")
        assertShows(follow<HostActivity>(main), "Passes. No list names it.", "No list names this host.")
    }

    @Test
    fun manyRulesComePageByPage() {
        val main = hosts().get()
        val total = graph.core.rules("com", null, 0).total
        assertTrue("$total rules", total > Core.PAGE)
        type(main, "com")
        val list = main.find<ListView>(R.id.list)
        assertEquals(Core.PAGE + 1, list.adapter.count)
        list.setSelection(Core.PAGE)
        settle()
        assertTrue(list.adapter.count > Core.PAGE + 1)
    }

    @Test
    fun eachIdentifierStandsOnceWithWhoKnowsIt() {
        val main = open<MainActivity>().get()
        check(main.find<Toolbar>(R.id.toolbar).menu.performIdentifierAction(R.id.menu_identifiers, 0))
        val screen = follow<IdentifiersActivity>(main)
        scrollTo(screen, "IMEI")
        assertFalse(texts(screen).any { "490154203237518" in it })
        val row = row(screen, "IMEI")
        assertTrue(texts(row).any { it.startsWith("Sent by") && "Mi Browser" in it && "Music" in it })
        assertTrue(texts(row).any { "sa.api.intl.miui.com" in it })
        tapIn(row, "Value hidden. Tap to show it.")
        assertShows(screen, "490154203237518")
    }
}

package app.muzzle.ui

import android.app.Activity
import app.muzzle.R
import app.muzzle.core.Verdict
import app.muzzle.settings.Bypass
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.android.controller.ActivityController

class ListsTest : ScreenTest() {
    private fun lists(): ActivityController<ListsActivity> = open()

    private fun toggle(
        screen: Activity,
        title: String,
    ) = tap(screen, texts(screen).first { it.startsWith(title + "\n") })

    private fun verdict(host: String) = graph.core.host(host).decision!!.verdict

    @Test
    fun theHostsTabAndTheSettingsLeadHere() {
        val main = open<MainActivity>().get()
        tap(main, "Hosts")
        tap(main, "Lists")
        follow<ListsActivity>(main)
        val settings = open<SettingsActivity>().get()
        tap(settings, "Switch lists, add your own")
        follow<ListsActivity>(settings)
    }

    @Test
    fun aListIsSwitchedForAllOfItsHostsAndBack() {
        obey()
        val screen = lists().get()
        assertEquals(Verdict.BLOCK, verdict("tracking.intl.miui.com"))
        toggle(screen, "Xiaomi")
        assertEquals(setOf("xiaomi"), graph.settings.now.listsOff)
        assertEquals(Verdict.ALLOW, verdict("tracking.intl.miui.com"))
        assertShows(screen, "Xiaomi: Off")
        tap(screen, "Undo")
        assertEquals(Verdict.BLOCK, verdict("tracking.intl.miui.com"))
        toggle(screen, "Alibaba and Umeng")
        assertEquals(setOf("alibaba"), graph.settings.now.listsOff)
    }

    @Test
    fun pushIsOffUntilItIsSwitchedOnAndAdsTheOtherWayRound() {
        obey()
        val screen = lists().get()
        toggle(screen, "Push messages")
        assertEquals(mapOf("push" to Verdict.BLOCK), graph.settings.now.categories)
        toggle(screen, "Push messages")
        assertEquals(emptyMap<String, Verdict>(), graph.settings.now.categories)
        toggle(screen, "Advertising")
        assertEquals(mapOf("ads" to Verdict.ALLOW), graph.settings.now.categories)
    }

    @Test
    fun whoMayGoRoundTheResolverIsAsked() {
        obey()
        val screen = open<SettingsActivity>().get()
        assertEquals(Verdict.ALLOW, verdict("dns.google"))
        tap(screen, screen.getString(R.string.two_lines, screen.getString(R.string.bypass_all), screen.getString(R.string.bypass_all_text)))
        assertEquals(Bypass.ALL, graph.settings.now.bypass)
        assertEquals(Verdict.BLOCK, verdict("dns.google"))
        tap(screen, "No app")
        assertEquals(Bypass.OFF, graph.settings.now.bypass)
    }

    @Test
    fun aHostThatThePhoneNeedsIsStoppedWithAWarningAndUndone() {
        obey()
        val context = Robolectric.buildActivity(MainActivity::class.java).get()
        val screen = at(HostActivity.of(context, "account.xiaomi.com")).get()
        tap(screen, "Block")
        assertEquals(Verdict.BLOCK, verdict("account.xiaomi.com"))
        assertShows(screen, "account.xiaomi.com: Block", "The phone needs account.xiaomi.com. When stopped: ")
        picture(screen, "host-warned")
        assertAccessible(screen)
        tap(screen, "Undo")
        assertEquals(Verdict.ALLOW, verdict("account.xiaomi.com"))
        tap(screen, "Record")
        assertFalse(
            "an old warning",
            texts(screen).any { "When stopped" in it && "The phone needs" in it } && graph.settings.now.hosts.isEmpty(),
        )
        assertTrue(texts(screen).any { "account.xiaomi.com: Record" in it })
    }
}

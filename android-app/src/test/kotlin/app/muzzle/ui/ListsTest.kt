package app.muzzle.ui

import android.app.Activity
import android.content.Intent
import android.net.Uri
import app.muzzle.R
import app.muzzle.core.Verdict
import app.muzzle.settings.Bypass
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import java.io.File

class ListsTest : ScreenTest() {
    private fun lists(): ActivityController<ListsActivity> = open()

    private fun toggle(
        screen: Activity,
        title: String,
    ) = tap(screen, texts(screen).first { it.startsWith(title + "\n") })

    /** Chooses a file as the system's picker would hand it over. */
    private fun add(
        screen: Activity,
        name: String,
        content: String?,
    ) {
        tap(screen, "Add a list")
        val asked = shadowOf(screen).nextStartedActivityForResult.intent
        assertEquals(Intent.ACTION_OPEN_DOCUMENT, asked.action)
        val file = File(screen.cacheDir, name)
        if (content == null) file.delete() else file.writeText(content)
        shadowOf(screen).receiveResult(asked, Activity.RESULT_OK, Intent().setData(Uri.fromFile(file)))
        settle()
    }

    private fun imported() = graph.core.lists().lists.filter { it.imported }

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
    fun aListOfTheOwnersIsTakenInAndTellsWhatWasTaken() {
        qualifiers(PHONE)
        val controller = lists()
        add(controller.get(), "Mine 1.txt", MINE)
        val screen = controller.get()
        assertEquals(Verdict.BLOCK, verdict("tracker.example.com"))
        assertEquals(Verdict.BLOCK, verdict("sub.ads.example.net"))
        assertEquals(Verdict.ALLOW, verdict("account.xiaomi.com"))
        assertShows(screen, "Mine 1.txt: 4 names taken, 2 lines not", "1 touch hosts that the phone needs", "Line 5: account.xiaomi.com")
        assertShows(screen, "1 not taken: about parts of pages or paths", "Line 6: example.org##.banner", "Line 7: localhost")
        picture(screen, "lists-taken", "Your own lists")
        assertEquals(emptyList<String>(), accessFaultsThroughout(screen, ::settle))
        val back = revive(controller)
        assertShows(back, "Mine 1.txt", "Line 6: example.org##.banner")
        tap(back, "Remove")
        assertShows(back, "Removed: Mine 1.txt")
        assertEquals(Verdict.ALLOW, verdict("tracker.example.com"))
        assertEquals(emptyList<Any>(), imported())
    }

    @Test
    fun namesAreTakenWithAllThatIsBelowThemWhereTheOwnerSaysSo() {
        val screen = lists().get()
        add(screen, "wild.txt", "# Syntax: Domains (wildcards)\nwild.example.com\n")
        assertShows(screen, "The list seems to mean all names below its own")
        assertEquals(Verdict.ALLOW, verdict("a.wild.example.com"))
        toggle(screen, "With all names below")
        add(screen, "wild.txt", "# Syntax: Domains (wildcards)\nwild.example.com\n")
        assertEquals(Verdict.BLOCK, verdict("a.wild.example.com"))
        assertEquals(listOf(true), imported().map { it.below })
    }

    @Test
    fun aFileThatIsNoListSaysWhatItIsAndWhy() {
        val screen = lists().get()
        add(screen, "zone.txt", "@ SOA a. b. 1 2 3 4 5\nads.example.com CNAME .\n")
        assertShows(screen, "The list was not taken", "The list is in a form for another program", "Line 2: ads.example.com CNAME .")
        assertEquals(emptyList<Any>(), imported())
    }

    @Test
    fun aListThatFailsLeavesTheOldOneInForce() {
        val screen = lists().get()
        add(screen, "mine.txt", MINE)
        add(screen, "mine.txt", "this is no list at all\n")
        assertShows(screen, "The list was not taken. The lists of before are in force.")
        assertEquals(Verdict.BLOCK, verdict("tracker.example.com"))
        add(screen, "gone.txt", null)
        assertShows(screen, "The list was not taken. The lists of before are in force.", "The file could not be read")
        assertEquals(listOf("mine"), imported().map { it.name })
    }

    @Test
    fun aNewListOfTheSameNameTakesThePlaceOfTheOldOneAndIsSwitched() {
        obey()
        val screen = lists().get()
        add(screen, "mine.txt", MINE)
        add(screen, "mine.txt", "other.example.com\n")
        assertEquals(Verdict.ALLOW, verdict("tracker.example.com"))
        assertEquals(Verdict.BLOCK, verdict("other.example.com"))
        assertEquals(listOf("mine"), imported().map { it.name })
        toggle(screen, "mine.txt")
        assertEquals(Verdict.ALLOW, verdict("other.example.com"))
        tap(screen, "Remove")
        assertEquals(emptySet<String>(), graph.settings.now.listsOff)
    }

    @Test
    fun aFileThatIsCalledLikeABuiltInListIsTakenUnderAnotherName() {
        add(lists().get(), "xiaomi.txt", "tracker.example.com\n")
        assertEquals(Verdict.BLOCK, verdict("tracker.example.com"))
        assertEquals("own-xiaomi", imported().single().name)
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

    private companion object {
        val MINE =
            """
            # a hosts file, an adblock list and plain names
            0.0.0.0 tracker.example.com
            ||ads.example.net^
            plain.example.com
            account.xiaomi.com
            example.org##.banner
            localhost
            """.trimIndent() + "\n"
    }
}

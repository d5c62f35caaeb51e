package app.muzzle.ui

import android.content.ClipboardManager
import android.content.Intent
import app.muzzle.core.Filter
import app.muzzle.core.Verdict
import app.muzzle.settings.AppSetting
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf

class EventTest : ScreenTest() {
    /** The newest visited page, reached by clicks. */
    private fun page(): EventActivity {
        val main = open<MainActivity>().get()
        tap(main, "Timeline")
        tap(main, "Kind")
        choose("visited page")
        tap(main, "Mi Browser reported a visited page")
        return follow(main)
    }

    @Test
    fun itSaysWhatWhereWhyAndHow() {
        val event = page()
        assertShows(event, "What was sent", "Mi Browser reported a visited page", "passed, readable")
        assertShows(event, "properties.url", "https://", "identifier: IMEI", "490154203237518")
        assertShows(event, "Where to", "sa.api.intl.miui.com", "8.214.160.1, 443")
        assertShows(event, "Country and operator", "Singapore, Alibaba Cloud (Singapore)")
        assertShows(event, "Why", "A list names the host.", ".sa.api.intl.miui.com", "xiaomi@1", "The app’s setting now")
        assertShows(event, "How we know", "sensors", "page_load_event_finish", "sensors/")
        picture(event, "event")
        assertAccessible(event)
    }

    @Test
    fun theRawRequestIsShownInThreeFormsAndCopied() {
        val event = page()
        assertShows(event, "POST /sa?project=production", "data=")
        tap(event, "JSON")
        assertShows(event, "\"protocol\": \"sensors\"")
        tap(event, "Hex")
        assertShows(event, "0000  64 61 74 61 3d")
        tap(event, "Copy")
        val clip = event.getSystemService(ClipboardManager::class.java)!!.primaryClip!!
        assertTrue(clip.getItemAt(0).text.startsWith("0000  64"))
    }

    @Test
    fun blockingTheHostHoldsForTheAppAtOnceAndIsUndone() {
        obey()
        graph.settings.update { it.copy(apps = mapOf("com.mi.globalbrowser" to AppSetting.RECORD)) }
        val host = "sa.api.intl.miui.com"
        assertEquals(Verdict.RECORD, decision(host, "com.mi.globalbrowser"))
        val event = page()
        tap(event, "Block this host")
        assertShows(event, "sa.api.intl.miui.com blocked for Mi Browser")
        assertEquals(Verdict.BLOCK, decision(host, "com.mi.globalbrowser"))
        tap(event, "Undo")
        assertEquals(emptyList<Any>(), graph.settings.now.hosts)
        assertEquals(Verdict.RECORD, decision(host, "com.mi.globalbrowser"))
        tap(event, "Allow this host")
        assertEquals(Verdict.ALLOW, decision(host, "com.mi.globalbrowser"))
    }

    @Test
    fun anEventIsSharedWithoutItsValuesUnlessAsked() {
        val event = page()
        tap(event, "Share this event")
        choose("Without the values")
        val covered = shared(event)
        assertTrue("properties.url" in covered && "covered" in covered)
        assertFalse("https://" in covered || "490154203237518" in covered)
        tap(event, "Share this event")
        choose("With the values")
        assertTrue("490154203237518" in shared(event))
    }

    private fun shared(event: EventActivity): String {
        val chooser = shadowOf(event).nextStartedActivity
        val send = chooser.getParcelableExtra(Intent.EXTRA_INTENT, Intent::class.java)!!
        assertEquals(Intent.ACTION_SEND, send.action)
        return send.getStringExtra(Intent.EXTRA_TEXT)!!
    }

    @Test
    fun aStoppedAttemptSaysThatNothingLeft() {
        val stopped =
            graph.core
                .events(Filter(packageName = "com.miui.home"))
                .first { it.kinds.isEmpty() || it.value == null }
        val intent = EventActivity.of(RuntimeEnvironment.getApplication(), stopped.id)
        val event = Robolectric.buildActivity(EventActivity::class.java, intent).setup().get()
        settle()
        assertShows(event, "Nothing left the phone", "No request was kept.")
    }

    @Test
    fun anEventThatIsGoneSaysSo() {
        val intent = EventActivity.of(RuntimeEnvironment.getApplication(), 999_999)
        val event = Robolectric.buildActivity(EventActivity::class.java, intent).setup().get()
        settle()
        assertShows(event, "This event is gone")
    }
}

package app.muzzle.ui

import android.database.sqlite.SQLiteDatabase
import android.view.View
import android.view.ViewGroup
import android.widget.ListAdapter
import android.widget.ListView
import app.muzzle.R
import app.muzzle.TestGraph
import app.muzzle.core.Core
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File

class TimelineTest : ScreenTest() {
    private fun timeline() = open<MainActivity>().also { tap(it.get(), "Timeline") }

    private fun sentences(main: MainActivity) = texts(main.find<ListView>(R.id.list)).filter { "Mi Browser" in it || "launcher" in it }

    @Test
    fun daysAndSentencesAndGapsAreShown() {
        val main = timeline().get()
        assertShows(main, "Today", "tried to reach")
        scrollTo(main, "Mi Browser reported a visited page")
        assertShows(main, "https://", "passed, readable")
        scrollTo(main, "Yesterday")
        scrollTo(main, "Protection did not run")
        assertShows(main, "From 2:00", "The system had ended Muzzle.")
    }

    @Test
    fun aFigureOfTheHomeScreenLeadsToItsEvents() {
        val main = open<MainActivity>().get()
        tap(main, "passed, readable")
        val events = texts(main.find<ListView>(R.id.list))
        assertTrue(events.any { "passed, readable" in it })
        assertFalse(events.any { "stopped" in it })
    }

    @Test
    fun chipsNarrowTheEventsDown() {
        val main = timeline().get()
        tap(main, "Kind")
        choose("search")
        assertTrue(sentences(main).isNotEmpty())
        assertEquals(emptyList<String>(), sentences(main).filterNot { "report a search" in it || "reported a search" in it })
        tap(main, "What became of it")
        choose("answered here")
        assertShows(main, "Mi Browser tried to report a search")
        tap(main, "Clear filters")
        tap(main, "App")
        choose("Music")
        assertEquals(emptyList<String>(), sentences(main))
        assertShows(main, "Music ")
        tap(main, "Clear filters")
        tap(main, "Host")
        choose("alogs.umeng.com")
        assertShows(main, "News sent something encrypted to alogs.umeng.com")
    }

    @Test
    fun theSearchLooksIntoFields() {
        val main = timeline().get()
        type(main, "погода")
        assertShows(main, "report a search")
        assertFalse(texts(main).any { "visited page" in it })
        tap(main, "Mi Browser tried to report a search")
        assertShows(follow<EventActivity>(main), "properties.search_word", "погода завтра")
        type(main, "nothing has this")
        assertShows(main, "Nothing fits", "clear the filters")
    }

    @Test
    fun hiddenValuesAreShownByATap() {
        graph.settings.update { it.copy(hideValues = true) }
        val main = timeline().get()
        tap(main, "Kind")
        choose("visited page")
        assertFalse(texts(main).any { "https://" in it })
        picture(main, "timeline-hidden")
        assertAccessible(main)
        val before = texts(main).count { "Value hidden" in it }
        tap(main, "Value hidden. Tap to show it.")
        assertEquals(before - 1, texts(main).count { "Value hidden" in it })
        assertEquals(1, texts(main).count { "https://" in it })
    }

    @Test
    fun filterAndPlaceOutliveTheProcess() {
        val controller = timeline()
        tap(controller.get(), "Kind")
        choose("visited page")
        val list = controller.get().find<ListView>(R.id.list)
        list.setSelection(10)
        settle()
        val top = list.firstVisiblePosition
        val main = revive(controller)
        assertShows(main, "Timeline", "visited page", "reported a visited page")
        assertEquals(top, main.find<ListView>(R.id.list).firstVisiblePosition)
    }

    @Test
    fun anEmptyLogSaysSo() {
        graph.core.wipe()
        assertShows(timeline().get(), "No events", "Use the phone for a while")
    }

    @Test
    fun ofTwelveThousandEventsOnlyWhatIsScrolledToIsReadAndShown() {
        use { TestGraph(it, prepare = ::multiply) }
        val list = timeline().get().find<ListView>(R.id.list)
        val counted = Counted(list.adapter)
        list.adapter = counted
        repeat(PAGES) {
            val before = list.adapter.count
            list.setSelection(before - 1)
            settle()
            assertTrue("a page more, not ${list.adapter.count - before}", list.adapter.count - before in 1..2 * Core.PAGE)
        }
        assertTrue("${list.adapter.count} rows", list.adapter.count in PAGES * Core.PAGE..2 * (PAGES + 1) * Core.PAGE)
        assertTrue("a screenful of views", list.childCount < SCREENFUL)
        // The list asks twice for what it shows: to measure, and to lay out.
        assertTrue("${counted.shown} rows were filled", counted.shown < 4 * SCREENFUL * (PAGES + 1))
        assertTrue("${counted.made} views were made", counted.made < 4 * SCREENFUL)
    }

    /** Counts what a list asks of its adapter. */
    private class Counted(
        private val real: ListAdapter,
    ) : ListAdapter by real {
        var shown = 0
        var made = 0

        override fun getView(
            position: Int,
            old: View?,
            parent: ViewGroup?,
        ): View {
            shown++
            if (old == null) made++
            return real.getView(position, old, parent)
        }
    }

    private fun multiply(db: File) {
        val open = SQLiteDatabase.OPEN_READWRITE or SQLiteDatabase.NO_LOCALIZED_COLLATORS
        SQLiteDatabase.openDatabase(db.path, null, open).use { sql ->
            sql.execSQL(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) " +
                    "INSERT INTO events (time, app, host, transport, verdict, rule, state, kinds) " +
                    "SELECT e.time, e.app, e.host, e.transport, e.verdict, e.rule, e.state, e.kinds FROM n, " +
                    "(SELECT * FROM events WHERE state = 'blocked' ORDER BY id DESC LIMIT 1) e",
            )
        }
    }

    private companion object {
        const val PAGES = 5
        const val SCREENFUL = 30
    }
}

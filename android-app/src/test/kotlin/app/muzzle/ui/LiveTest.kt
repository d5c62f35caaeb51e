package app.muzzle.ui

import android.widget.ListView
import app.muzzle.R
import app.muzzle.TestGraph
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Test
import org.robolectric.android.controller.ActivityController

/** Events that come in while the timeline is open. */
class LiveTest : ScreenTest() {
    private fun timeline(): ActivityController<MainActivity> {
        use { TestGraph(it, live = true) }
        return open<MainActivity>().also { tap(it.get(), "Timeline") }
    }

    private val ActivityController<MainActivity>.list get() = get().find<ListView>(R.id.list)

    /**
     * The newest of some events happens again. Another process writes: a second SQLite in this one would
     * drop the core's locks.
     */
    private fun happen(
        times: Int,
        where: String = "1",
    ) {
        python(WRITE, "$times", where)
    }

    private fun python(
        script: String,
        vararg arguments: String,
    ) {
        val process = ProcessBuilder("python3", "-c", script, graph.db.path, *arguments).redirectErrorStream(true).start()
        val said = process.inputStream.bufferedReader().readText()
        assertEquals(said, 0, process.waitFor())
    }

    @Test
    fun newEventsAppearAtTheTop() {
        val screen = timeline()
        val before = screen.list.adapter.count
        happen(3)
        eventually("three more") { screen.list.adapter.count == before + 3 }
        assertEquals(0, screen.list.firstVisiblePosition)
        assertShows(screen.get(), "Today")
    }

    @Test
    fun aListThatWasScrolledStaysWhereItIs() {
        val screen = timeline()
        val list = screen.list
        list.setSelectionFromTop(12, -7)
        settle()
        val shown = texts(list)
        val before = list.adapter.count
        happen(5)
        eventually("five more") { list.adapter.count == before + 5 }
        assertEquals(17, list.firstVisiblePosition)
        assertEquals(-7, list.getChildAt(0)!!.top - list.paddingTop)
        assertEquals(shown, texts(list))
    }

    @Test
    fun onlyWhatFitsTheFilterAppears() {
        val screen = timeline()
        tap(screen.get(), "What became of it")
        choose("stopped")
        val before = screen.list.adapter.count
        happen(2, "state = 'encrypted'")
        happen(1, "state = 'blocked'")
        eventually("the stopped one") { screen.list.adapter.count > before }
        assertEquals(before + 1, screen.list.adapter.count)
    }

    @Test
    fun anEmptyTimelineFills() {
        use { TestGraph(it, live = true) }
        graph.core.wipe()
        val screen = open<MainActivity>().also { tap(it.get(), "Timeline") }
        assertShows(screen.get(), "No events")
        python(FIRST)
        eventually("the first event") { texts(screen.get()).any { "tried to reach a host without a name" in it } }
        assertFalse(texts(screen.get()).contains("No events"))
    }

    @Test
    fun nothingIsReadWhileNobodyLooks() {
        val screen = timeline()
        val before = screen.list.adapter.count
        assertEquals(1, graph.watches.size)
        screen.pause()
        graph.watches.forEach { it.join(30_000) }
        assertFalse("somebody still watches", graph.watches.any { it.isAlive })
        happen(2)
        settle()
        assertEquals(before, screen.list.adapter.count)
        screen.resume()
        settle()
        assertEquals(2, graph.watches.size)
        tap(screen.get(), "Home")
        graph.watches.forEach { it.join(30_000) }
        assertFalse("another tab still watches", graph.watches.any { it.isAlive })
    }

    private companion object {
        const val FIRST = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=20)
db.execute("INSERT INTO events (time, verdict, state, kinds) VALUES (1795296600000, 'block', 'blocked', '')")
db.commit()
db.close()
"""
        const val WRITE = """
import sqlite3, sys
path, times, where = sys.argv[1:]
db = sqlite3.connect(path, timeout=20)
for _ in range(int(times)):
    db.execute("INSERT INTO events (time, app, host, transport, verdict, rule, state, kinds) "
               "SELECT (SELECT max(time) FROM events) + 1, app, host, transport, verdict, rule, state, kinds "
               "FROM events WHERE " + where + " ORDER BY id DESC LIMIT 1")
assert db.total_changes == int(times), db.total_changes
db.commit()
db.close()
"""
    }
}

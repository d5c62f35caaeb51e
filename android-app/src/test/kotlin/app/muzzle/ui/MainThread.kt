package app.muzzle.ui

import android.app.Activity
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.Canvas
import android.os.Looper
import android.view.View
import android.widget.ListView
import app.muzzle.R
import app.muzzle.TestGraph
import app.muzzle.core.Work
import org.junit.Test
import org.robolectric.Robolectric
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ActivityController
import java.lang.management.ManagementFactory
import java.util.concurrent.ConcurrentLinkedQueue
import kotlin.concurrent.thread

/**
 * How long the main thread is busy at a time, printed: to compare two versions on one machine, not to judge a
 * phone. Processor time of that thread, so that others on the machine count for little. No part of the suite,
 * which judges no times; docs/benchmarks.md tells how to run it.
 */
class MainThread : ScreenTest() {
    private val clock = ManagementFactory.getThreadMXBean()

    /** Work that a screen asked for: it waits until the screen stands, and its answers are messages of their own. */
    private val jobs = ConcurrentLinkedQueue<Runnable>()
    override val busy get() = jobs.isNotEmpty()

    private class Shown(
        val screen: Activity,
        val firstFrame: Long,
        val longest: Long,
    )

    @Test
    fun screensAndScrolling() {
        qualifiers(PHONE)
        use { TestGraph(it, work = Work(background = jobs::add)) }
        val screens = everyScreen()
        val cold = shown(screens.getValue("main"))
        println("%-12s %14s %16s".format("ms", "first frame", "longest message"))
        line("main, cold", cold.firstFrame, cold.longest)
        for ((name, intent) in screens) {
            val rounds = List(ROUNDS) { shown(intent) }.drop(WARM)
            line(name, median(rounds.map { it.firstFrame }), median(rounds.map { it.longest }))
        }
        val main = shown(screens.getValue("main")).screen
        main.find<View>(R.id.tab_timeline).performClick()
        rest()
        scroll(main)
        val frames = scroll(main)
        println("a third of a screen scrolled: ${ms(median(frames))} a frame, ${ms(frames.max())} the longest of $FRAMES")
    }

    /** From nothing to a drawn frame, which says that it loads, then the longest message until all is shown. */
    private fun shown(intent: Intent): Shown {
        lateinit var controller: ActivityController<out Activity>
        val type = Class.forName(intent.component!!.className).asSubclass(Activity::class.java)
        val firstFrame =
            timed {
                controller = Robolectric.buildActivity(type, intent).setup()
                draw(controller.get())
            }
        val longest = longestMessage()
        controller.pause().stop()
        return Shown(controller.get(), firstFrame, longest)
    }

    private fun longestMessage(): Long {
        val looper = shadowOf(Looper.getMainLooper())
        var longest = 0L
        do {
            work()
            while (!looper.isIdle) longest = maxOf(longest, timed { looper.runOneTask() })
        } while (busy)
        return longest
    }

    private fun work() = thread { generateSequence(jobs::poll).forEach { it.run() } }.join()

    private fun rest() {
        longestMessage()
        settle()
    }

    private fun scroll(main: Activity): List<Long> {
        val list = main.find<ListView>(R.id.list)
        list.setSelection(0)
        rest()
        return List(FRAMES) {
            val frame =
                timed {
                    list.scrollListBy(list.height / 3)
                    draw(main)
                }
            rest()
            frame
        }
    }

    private fun draw(screen: Activity) {
        val view = screen.window.decorView
        view.draw(Canvas(Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888)))
    }

    private fun timed(what: () -> Unit): Long {
        val before = clock.currentThreadCpuTime
        what()
        return clock.currentThreadCpuTime - before
    }

    private fun line(
        name: String,
        firstFrame: Long,
        longest: Long,
    ) = println("%-12s %14s %16s".format(name, ms(firstFrame), ms(longest)))

    private fun median(times: List<Long>) = times.sorted()[times.size / 2]

    private fun ms(nanoseconds: Long) = "%.1f".format(nanoseconds / 1e6)

    private companion object {
        const val ROUNDS = 11
        const val WARM = 4
        const val FRAMES = 40
    }
}
